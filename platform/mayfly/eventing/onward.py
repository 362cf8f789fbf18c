"""What of an asynchronous call goes on to the function: what it would have seen of a synchronous one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mayfly.eventing import prefer, trace, web
from mayfly.model import handover
from mayfly.store import records

HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect"),
    }
)
"""Between two neighbours only: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1."""
SET_ANEW = frozenset({"content-length", "host", "x-request-id", trace.TRACEPARENT, trace.TRACESTATE, "idempotency-key"})
"""What every delivery says for itself, and the key, which was for us."""
PRIVATE = ("x-mayfly-", "mayfly-", "x-envoy-")
"""How the names begin of what the platform says to itself."""
IDENTITY = frozenset({handover.CLIENT, "x-mayfly-jwt-payload"})
"""But what a policy found out about the caller is for the function; nobody can have it taken away."""
_ALIAS = re.compile(rf"{handover.ALIAS_PREFIX}[^/]+")
_ASYNC = re.compile(rf"{handover.ASYNC_PREFIX}(?=/|$)")


def make_message(request: web.Request) -> records.Message:
    """Return the request that is to reach the function."""
    dropped = HOP_BY_HOP | SET_ANEW | _read_connection(request.headers)
    path = strip_prefix(request.path, alias=is_alias(request))
    return records.Message(
        headers=tuple(_keep(request.headers, dropped)),
        body=request.body,
        method=request.method,
        path=f"{path}?{request.query}" if request.query else path,
    )


def is_alias(request: web.Request) -> bool:
    """Tell whether the call came the way OpenFaaS has it."""
    return request.header(handover.ASYNC) == handover.ALIAS


def strip_prefix(path: str, *, alias: bool) -> str:
    """Return the path of the same call, made synchronously.

    >>> strip_prefix("/async/thumb", alias=False), strip_prefix("/asynchronous", alias=False)
    ('/thumb', '/asynchronous')
    >>> strip_prefix("/async-function/mail.shop/a", alias=True)
    '/a'
    """
    found = (_ALIAS if alias else _ASYNC).match(path)
    return (path[found.end() :] or "/") if found else path


def _keep(headers: records.Headers, dropped: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name in IDENTITY:
            yield name, value
        elif name == prefer.HEADER:
            if rest := prefer.strip_ours(value):
                yield name, rest
        elif name not in dropped and not name.startswith(PRIVATE):
            yield name, value


def _read_connection(headers: records.Headers) -> frozenset[str]:
    """Return the names of headers that ``Connection`` says are for the next hop alone."""
    return frozenset(
        word.strip().lower() for name, value in headers if name == "connection" for word in value.split(",")
    )
