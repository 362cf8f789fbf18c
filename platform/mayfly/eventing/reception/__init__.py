"""Take in what comes over HTTP: events, asynchronous calls, and who may send them.

``app`` finds who answers, ``asgi`` reads and writes; ``intake`` takes events, ``calls`` what the gateway hands over.
The rule: credentials before content, everything or nothing of a request, and 202 after the commit.
"""
