"""Invocations and what belongs to them as JSON: stable names, ``null`` for what is not there. Pure.

Instants are RFC 3339 in UTC with milliseconds, cut, so that what is asked for "since" an instant shown holds it.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from typing import Any

from mayfly.eventing import context
from mayfly.store import records

Document = dict[str, Any]

LONGEST_PAUSE = 30
"""Seconds after which it pays to ask again in any case."""
HIDDEN = "(hidden)"
"""Stands for a credential: who may read invocations need not be able to act as those who sent them."""
_CREDENTIAL = r"authorization|cookie|token|secret|password|api[-_]?key"
_IN_NAME = re.compile(_CREDENTIAL, re.IGNORECASE)
_IN_QUERY = re.compile(rf"([?&][^=&#]*(?:{_CREDENTIAL})[^=&#]*=)[^&#]*", re.IGNORECASE)


def make_invocation(one: records.Invocation) -> Document:
    """Return an invocation as it stands; ``nextAttempt`` is there only while it waits for one."""
    kept = context.parse_context(one.context)
    made = {
        "id": one.id,
        "namespace": one.namespace,
        "function": one.function,
        "kind": one.kind,
        "state": one.state.value,
        "accepted": format_instant(one.accepted),
        "due": format_instant(one.due),
        "expires": format_instant(one.expires),
        "settled": format_instant(one.settled),
        "attempts": one.attempts,
        "tries": one.tries,
        "redrives": one.redrives,
        "reason": one.reason or None,
        "detail": one.detail or None,
        "status": one.status,
        "revision": one.revision,
        "parent": one.parent,
        "depth": one.depth,
        "target": hide_query(one.target) or None,
        "client": kept.client or None,
        "callId": kept.call_id or None,
        "traceparent": kept.traceparent or None,
        "dedupKey": one.dedup_key,
    }
    return made | ({"nextAttempt": made["due"]} if one.state is records.State.WAITING else {})


def make_dead_letter(one: records.Invocation, *, kept_until: float) -> Document:
    """Return a dead invocation with the instant at which its retention ends."""
    return make_invocation(one) | {"keptUntil": format_instant(kept_until)}


def make_attempt(one: records.Attempt) -> Document:
    """Return one attempt; ``outcome`` is delivered, retried, dead, unknown or cancelled."""
    return {
        "number": one.number,
        "outcome": one.tried.value,
        "started": format_instant(one.started),
        "ended": format_instant(one.ended),
        "status": one.status,
        "error": one.error or None,
        "revision": one.revision,
        "worker": one.worker,
    }


def make_result(one: records.Invocation, result: records.Result) -> Document:
    """Return what the function answered last: the answer it was delivered with, or the one it was given up with."""
    return {
        "id": one.id,
        "state": one.state.value,
        "status": result.status,
        "headers": make_headers(result.headers),
        **make_body(result.body),
        "truncated": result.truncated,
    }


def make_message(one: records.Message) -> Document:
    """Return what an invocation sends; credentials in it are hidden."""
    return {
        "method": one.method,
        "path": hide_query(one.path),
        "headers": make_headers(one.headers),
        **make_body(one.body),
    }


def make_queue(function: str, count: records.Count, *, earliest_due: float | None, now: float) -> Document:
    """Return the books of one function; ``lag`` is by how many seconds the earliest that is due is late."""
    return {
        "function": function,
        "accepted": count.accepted,
        "waiting": count.waiting,
        "leased": count.leased,
        "delivered": count.delivered,
        "dead": count.dead,
        "cancelled": count.cancelled,
        "purged": count.purged,
        "nextDue": format_instant(earliest_due),
        "lag": 0.0 if earliest_due is None else round(max(0.0, now - earliest_due), 3),
    }


def make_headers(headers: records.Headers) -> list[Document]:
    """Return headers in order, the values of those that carry credentials hidden."""
    return [{"name": name, "value": HIDDEN if _IN_NAME.search(name) else value} for name, value in headers]


def make_body(body: bytes) -> Document:
    """Return a body as text where it is UTF-8, in base64 where it is not; the other of the two fields is ``None``."""
    try:
        return {"body": body.decode(), "bodyBase64": None}
    except UnicodeDecodeError:
        return {"body": None, "bodyBase64": base64.b64encode(body).decode()}


def hide_query(url: str) -> str:
    """Return a path or URL, the values of query parameters that carry credentials hidden.

    >>> hide_query("/hook?access_token=abc&page=2")
    '/hook?access_token=(hidden)&page=2'
    """
    return _IN_QUERY.sub(rf"\1{HIDDEN}", url)


def format_instant(seconds: float | None) -> str | None:
    """Return an instant as RFC 3339.

    >>> format_instant(1790000000.9999)
    '2026-09-21T14:13:20.999Z'
    """
    if seconds is None:
        return None
    shown = dt.datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, dt.UTC)
    return shown.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_retry_after(one: records.Invocation, *, now: float) -> str:
    """Return the ``Retry-After`` of what is not settled: until its next attempt, from a second to half a minute."""
    waits = math.ceil(one.due - now) if one.state is records.State.WAITING else 1
    return str(min(max(1, waits), LONGEST_PAUSE))
