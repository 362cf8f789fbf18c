"""Bound the bodies of requests and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from envoy.extensions.filters.http.custom_response.v3 import custom_response_pb2
from envoy.extensions.http.custom_response.local_response_policy.v3 import local_response_policy_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2, wrappers_pb2
from xds.type.matcher.v3 import matcher_pb2

from mayfly.routing import wire
from mayfly.routing.filters import chain

_REQUEST_TYPE = "type.googleapis.com/envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_MAX_REQUEST_BYTES = 1
LEAST_RESPONSE_LIMIT = 1024
"""A smaller one counts as this: the filter sees the gateway's own refusals too, which are shorter."""
_NOT_MODIFIED = "304"
"""An answer that has no body, though it may say how long the body would be (RFC 9110, section 15.4.5)."""
_WAYS = 3
"""Alternatives in one regular expression: Envoy refuses long ones, and each has its price in memory."""
_Predicate: TypeAlias = matcher_pb2.Matcher.MatcherList.Predicate


def make_request_limit(limit: int) -> chain.Filter:
    """Return what answers 413 to a request whose body is larger than ``limit`` bytes.

    At once when the request says how long it is, else when the byte after the limit comes. Nothing is held back, so
    the function may have seen the beginning of such a body; its request is reset. All that a stream or a WebSocket
    sends counts together.
    """
    # To Envoy 0 is no limit.
    value = wire.serialise(wrappers_pb2.UInt64Value(value=max(limit, 1)))
    return chain.Filter(
        "request-size", any_pb2.Any(type_url=_REQUEST_TYPE, value=wire.field(_MAX_REQUEST_BYTES, value))
    )


def make_response_limit(limit: int, *, shown: str) -> chain.Filter:
    """Return what answers 502 in place of an answer that says it is longer than ``limit`` bytes.

    ``shown`` is how the manifest writes the limit. An answer that does not say how long it is passes: Envoy has
    nothing that counts what it has begun to send.
    """
    policy = local_response_policy_pb2.LocalResponsePolicy()
    policy.status_code.value = 502
    policy.body.inline_string = f"The Function's answer is larger than spec.http.maxResponseSize allows ({shown}).\n"
    made = custom_response_pb2.CustomResponse()
    rule = made.custom_response_matcher.matcher_list.matchers.add()
    length = http_inputs_pb2.HttpResponseHeaderMatchInput(header_name="content-length")
    rule.predicate.and_matcher.predicate.append(
        _any([_match(length, regex) for regex in larger(max(limit, LEAST_RESPONSE_LIMIT))])
    )
    status = _match(http_inputs_pb2.HttpResponseHeaderMatchInput(header_name=":status"), _NOT_MODIFIED)
    rule.predicate.and_matcher.predicate.add().not_matcher.CopyFrom(status)
    rule.on_match.action.name = "too-large"
    rule.on_match.action.typed_config.Pack(policy, deterministic=True)
    return chain.make_filter("response-size", made)


def _any(choices: list[_Predicate]) -> _Predicate:
    """Return a predicate that holds where one of ``choices`` does; Envoy refuses a choice of one."""
    if len(choices) == 1:
        return choices[0]
    made = _Predicate()
    made.or_matcher.predicate.extend(choices)
    return made


def _match(read: http_inputs_pb2.HttpResponseHeaderMatchInput, regex: str) -> _Predicate:
    made = _Predicate()
    made.single_predicate.input.name = read.header_name
    made.single_predicate.input.typed_config.Pack(read, deterministic=True)
    made.single_predicate.value_match.safe_regex.regex = regex
    made.single_predicate.value_match.safe_regex.google_re2.SetInParent()
    return made


def larger(limit: int) -> Iterator[str]:
    """Yield regular expressions for the decimal numbers above ``limit``: more digits, or the first other one higher.

    >>> list(larger(1293))
    ['0*([1-9][0-9]{4,}|[2-9][0-9]{3}|1[3-9][0-9]{2})', '0*(129[4-9][0-9]{0})']
    """
    digits = str(limit)
    ways = [f"[1-9][0-9]{{{len(digits)},}}"]
    for place, digit in enumerate(digits):
        if digit != "9":
            ways.append(f"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}")
    for start in range(0, len(ways), _WAYS):
        yield f"0*({'|'.join(ways[start : start + _WAYS])})"
