"""The room that speaks to image registries, and the layout on disk as a second sink.

Protocol: https://github.com/opencontainers/distribution-spec (v1.1); authentication as in Docker's
"Token Authentication Specification" (https://distribution.github.io/distribution/spec/auth/token/).

- ``credentials``, ``challenge``, ``answer``, ``retry``: decisions, without a connection
- ``transport``: one request with authentication, redirects and errors
- ``client``: the verbs of the protocol; ``upload``: how a blob goes up
- ``pull``, ``push``, ``artifact``, ``layout``: sources and sinks of ``mayfly.image`` values

Rules: what is read is checked against its digest; a manifest is written only after every blob it names; each step
may be repeated, so a process may die at any moment; foreign exceptions become ``errors.RegistryError`` here.
"""
