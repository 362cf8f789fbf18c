"""How the gateway hands calls over to the eventing process, and how that one delivers through the gateway.

Only these two processes speak so. Both know the internal token; every listener removes these headers from what its
callers send, so whoever shows the right token is the other one. Names are in lower case.
"""

from __future__ import annotations

TOKEN = "x-mayfly-token"  # noqa: S105  (the name of a header)
"""To the eventing process: the internal token."""
NAMESPACE = "x-mayfly-namespace"
FUNCTION = "x-mayfly-function"
"""Whose route it was; the policies of that route have been enforced."""
STEM = "x-mayfly-stem"
"""The prefix of ``spec.http.paths`` that the request met, such as ``/thumb``; absent for everything."""
CLIENT = "x-mayfly-client"
"""The name that a policy gave the caller; absent without one."""
ASYNC = "x-mayfly-async"
"""Set by the listener on what may be meant for the eventing process: one of the words below."""
CALL = "call"
"""To be carried out later: below ``ASYNC_PREFIX``, or with ``Prefer: respond-async`` (RFC 7240, section 4.1)."""
READ = "read"
"""Asks after an invocation: the path ends as ``INVOCATION`` says."""
ALIAS = "alias"
"""As ``CALL``, at ``ALIAS_PREFIX`` of an alias host, the way OpenFaaS has it."""

DELIVERY = "mayfly-delivery"
"""To the gateway's internal listener: the internal token. Such a request meets no policy: what caused it did."""

CARRIED = {"x-mayfly-client": "mayfly-client", "x-mayfly-jwt-payload": "mayfly-jwt-payload"}
"""What a policy said of a caller -> the name under which it comes back beside ``DELIVERY``, believed with the token."""

ASYNC_PREFIX = "/async"
ALIAS_PREFIX = "/async-function/"
INVOCATION = r"/invocations/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(/result|/attempts)?"
"""What the path of a ``READ`` ends with; ids are UUIDs of version 7."""

INVOCATION_ID = "mayfly-invocation"
"""To a function: the id of the invocation, the same at every attempt; ``X-Request-Id`` is it as well."""
ATTEMPT = "mayfly-attempt"
"""To a function: which attempt this is, from 1."""
