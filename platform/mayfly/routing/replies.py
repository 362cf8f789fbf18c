"""Put what Envoy itself answers into words: problem details (RFC 9457) that say what to do and name no address. Pure.

A function's own answers pass untouched, and so do redirects. A gRPC client gets the same sentence as ``grpc-message``
where the text of Envoy would tell too much. Every filter chain holds all of this once, so there is little of it.
"""

from __future__ import annotations

import http
from typing import Any, NamedTuple

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import substitution_format_string_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from mayfly.model import handover

CONTENT_TYPE = "application/problem+json"
GRPC = "application/grpc"
_KEY = "mayfly.replies"
"""Envoy wants a runtime key beside each number; nobody sets it."""
_ORIGINAL = "%LOCAL_REPLY_BODY%"


class Problem(NamedTuple):
    """Answer ``detail`` where Envoy answers ``status``.

    With ``flags`` only where one of them is set, with none of them named where any is set; with ``header`` only where
    the request has it by now. ``retry_seconds`` is when to come again; 0 says nothing about it.
    """

    status: int
    detail: str
    flags: tuple[str, ...] | None = None
    header: str = ""
    retry_seconds: int = 0


ANY: tuple[str, ...] = ()
RETRY_SECONDS = 5
"""When who was not heard by the eventing process may come again; it needs some seconds to start."""
_UNKNOWN = (
    "it is not known whether the asynchronous call or event was accepted; send it again, a call with the"
    " Idempotency-Key that it had"
)
PROBLEMS = (
    Problem(400, "the request is not valid HTTP, or a header or the path is one that is not let in"),
    Problem(401, f"the request carries no valid credentials: {_ORIGINAL}"),
    Problem(403, "these credentials or this address do not allow the request"),
    Problem(404, "no function serves this host and path", ANY),
    Problem(408, "the request did not arrive whole in time"),
    Problem(413, "the request is larger than the limit"),
    Problem(426, "the request's version of HTTP is not served; use HTTP/1.1 or HTTP/2"),
    Problem(429, "there were too many requests; wait before the next one"),
    Problem(431, "the headers are larger than the limit"),
    Problem(500, "the gateway could not handle the request"),
    Problem(502, "the function's answer is not valid HTTP", ANY),
    Problem(502, _ORIGINAL),
    Problem(503, "the gateway is overloaded; try again later", ("OM", "UO")),
    Problem(503, _UNKNOWN, ("UC", "UR"), header=handover.TOKEN, retry_seconds=RETRY_SECONDS),
    Problem(
        503,
        "asynchronous calls and events cannot be accepted right now; try again later",
        ANY,
        header=handover.TOKEN,
        retry_seconds=RETRY_SECONDS,
    ),
    Problem(503, "the function hung up before it answered", ("UC", "UR")),
    Problem(503, "no instance of the function answers; try again later", ANY),
    Problem(503, _ORIGINAL),
    Problem(504, _UNKNOWN, ANY, header=handover.TOKEN, retry_seconds=RETRY_SECONDS),
    Problem(504, "the function did not answer in time", ANY),
)
"""In order: the first one that fits is used. What the router refuses has a flag, and Envoy's text says how it failed
to reach whom; what one of our filters refuses has none, and a text made for the caller (flags:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage). What was on its way to the
eventing process has the token by then, which its cluster puts on."""


def make_replies() -> hcm_pb2.LocalReplyConfig:
    """Return what a listener makes of Envoy's own answers; one that no problem fits stays as Envoy has it."""
    made = hcm_pb2.LocalReplyConfig()
    for problem in PROBLEMS:
        if problem.flags is not None:
            found = accesslog_pb2.AccessLogFilter()
            found.and_filter.filters.extend((_make_grpc_filter(), _make_filter(problem)))
            made.mappers.append(_advise(_make_text(found, problem.detail), problem))
    made.mappers.append(_make_text(_make_grpc_filter(), _ORIGINAL))
    made.mappers.extend(_make_json(problem) for problem in PROBLEMS)
    return made


def _make_json(problem: Problem) -> hcm_pb2.ResponseMapper:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    made = substitution_format_string_pb2.SubstitutionFormatString(content_type=CONTENT_TYPE, omit_empty_values=True)
    made.json_format.update(body)
    return _advise(hcm_pb2.ResponseMapper(filter=_make_filter(problem), body_format_override=made), problem)


def _advise(mapper: hcm_pb2.ResponseMapper, problem: Problem) -> hcm_pb2.ResponseMapper:
    if problem.retry_seconds:
        header = mapper.headers_to_add.add().header
        header.key, header.value = "retry-after", str(problem.retry_seconds)
    return mapper


def _make_text(wanted: accesslog_pb2.AccessLogFilter, text: str) -> hcm_pb2.ResponseMapper:
    made = substitution_format_string_pb2.SubstitutionFormatString()
    made.text_format_source.inline_string = text
    return hcm_pb2.ResponseMapper(filter=wanted, body_format_override=made)


def _make_grpc_filter() -> accesslog_pb2.AccessLogFilter:
    made = accesslog_pb2.AccessLogFilter()
    made.header_filter.header.name = "content-type"
    made.header_filter.header.string_match.prefix = GRPC
    return made


def _make_filter(problem: Problem) -> accesslog_pb2.AccessLogFilter:
    made = accesslog_pb2.AccessLogFilter()
    found = made if problem.flags is None else made.and_filter.filters.add()
    comparison = found.status_code_filter.comparison
    comparison.op = accesslog_pb2.ComparisonFilter.EQ
    comparison.value.default_value, comparison.value.runtime_key = problem.status, _KEY
    if problem.flags is not None:
        flagged = made.and_filter.filters.add().response_flag_filter
        flagged.SetInParent()
        flagged.flags.extend(problem.flags)
    if problem.header:
        shown = made.and_filter.filters.add().header_filter.header
        shown.name, shown.present_match = problem.header, True
    return made
