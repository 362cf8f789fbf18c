"""Call addresses that strangers name: the only room that does, and one way for all of them.

Whoever may write a Function, or call one, names such addresses: sources, issuers of tokens, destinations, callbacks. A
request to one is made by the platform, from inside the cluster, so it must not reach what the stranger could not.

Vocabulary:
    Guard      a resolver that gives only addresses that may be called.
    Outside    the client for destinations: hosts that the operator names, one request at a time, no redirects.
    Downloads  the client for sources: any host, redirects within it alone.

The rule: an address is judged when the connection is made to it, never before, so that a name which resolves
differently the second time gains nothing; and no answer leads to another host.
"""
