"""The gateway's control process: it decides what Envoy does and is never in the path of a request.

Vocabulary:
    Table      every ingress, Service and EndpointSlice in view, and what follows from them.
    Snapshot   the resources that Envoy should have; changing one tells every stream.
    Stream     one Envoy's conversation: what it has, what it lacks, in which order it may get it.
    Keyring    the certificates in use, and what is wrong with those that are not.
    Finding    how far an ingress is, for its status.

``vault`` reads Secrets for the ``keyring``, ``table`` fills a ``snapshot``, ``delta`` turns its changes into xDS
messages, ``xds`` carries them over a Unix socket, ``probe`` asks the data plane what it serves, ``publish`` writes that
to the ingress. ``docs/gateway-design.md`` says why.
"""
