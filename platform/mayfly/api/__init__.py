"""Offer Functions over HTTP: create, read, update, delete, upload of sources, logs; and what is invoked of them.

Vocabulary:
    Caller       who asks, as the API server's TokenReview says.
    Permission   what a route demands; a SubjectAccessReview answers for each call.
    Problem      an error as ``application/problem+json`` (RFC 9457).
    Edges        the connections to the outside: the Kubernetes API, the registry, and the eventing process.
    Relay        passes a question on to the eventing process, and its answer back, problems included.

The rule: nothing is done for a caller whom Kubernetes has not named and allowed in this very call, and an uploaded
archive is stored, never opened.
"""
