"""Where a request stands in a trace: https://www.w3.org/TR/trace-context/. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
"""Headers, and attributes of CloudEvents' extension for distributed tracing
(https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md)."""
MAX_STATE = 512
"""Characters of ``tracestate`` that everybody hands on (section "Limits"); a longer one is dropped as a whole."""
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00, and what of a later one is the same; it is handed on as 00 (section "Versioning of traceparent")."""

Trace = tuple[str, str]
"""``traceparent`` and ``tracestate``, both empty when there is no sound one."""


def read(given: Mapping[str, str]) -> Trace:
    """Return the trace that headers or attributes name.

    >>> read({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    ('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '')
    """
    parent = given.get(TRACEPARENT, "").strip()
    found = _PARENT.match(parent)
    more = "" if found is None else parent[found.end() :]
    if found is None or (more and (parent.startswith("00") or not more.startswith("-"))):
        return "", ""
    state = given.get(TRACESTATE, "").strip()
    sound = len(state) <= MAX_STATE and state.isascii() and state.isprintable()
    return f"00{found[0][2:]}", state if sound else ""


def read_headers(headers: tuple[tuple[str, str], ...]) -> Trace:
    """Return the trace that a request's headers name; two ``traceparent`` are none (section "Traceparent Header")."""
    parents = [value for name, value in headers if name == TRACEPARENT]
    if len(parents) != 1:
        return "", ""
    states = [value for name, value in headers if name == TRACESTATE]
    return read({TRACEPARENT: parents[0], TRACESTATE: ",".join(states)})
