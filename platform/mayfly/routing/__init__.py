"""Turn Knative ingresses and endpoints into Envoy's configuration.

Pure: values in, values out; nothing here knows a clock, a file or a connection.

Vocabulary:
    Ingress       a KIngress (``networking.internal.knative.dev/v1alpha1``) that was read and found sound.
    Backend       a port of a Kubernetes Service that an ingress sends traffic to; one Envoy cluster each.
    Listener      ``public`` (strangers), ``secure`` (strangers, over TLS) or ``internal`` (the cluster).
    Certificate   a chain and its key, from a Secret that an ingress names for some of its hosts.
    Scope         the routes of one host on one listener.
    Resource      one named, versioned, serialised piece of configuration, as the xDS protocol carries it.
    Edge          where the listeners stand and how the gateway itself is called.

The rule: what one ingress contributes depends on that ingress alone. Who owns a host that two ingresses name is
decided in ``mayfly.gateway.table``, which also keeps the cost of a change in proportion to the change.
"""
