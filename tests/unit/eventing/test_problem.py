"""Every error has a status and an answer that tells what is wrong, and no answer tells what is inside."""

from __future__ import annotations

import json

import pytest

from mayfly import errors
from mayfly.cluster import gatekeeper
from mayfly.eventing import problem


def walk(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from walk(below)


OURS = [
    kind
    for kind in walk(errors.MayflyError)
    if kind.__module__ in {"mayfly.errors", "mayfly.cluster.answer", "mayfly.eventing.problem"}
]
FOREIGN = [errors.BuildError, errors.RegistryError, errors.GatewayError]
"""What this process never does: when such an error comes up, it is ours to mend."""


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_has_a_status(kind):
    status = problem.STATUSES[kind]
    assert 400 <= status <= 599
    if issubclass(kind, tuple(FOREIGN)):
        assert status == 500


def test_the_table_names_no_kind_that_is_gone():
    assert set(problem.STATUSES) == set(OURS)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (problem.Refused("x", status=413), 413, "RequestEntityTooLarge"),
        (problem.Refused("x", status=422, reason="IdempotencyKeyReused"), 422, "IdempotencyKeyReused"),
        (problem.Crowded("x"), 429, "TooManyWaiting"),
        (problem.Busy("x"), 503, "Busy"),
        (gatekeeper.ReviewFailed("x"), 503, "ReviewFailed"),
        (errors.EventTooLarge("x"), 413, "EventTooLarge"),
    ],
    ids=str,
)
def test_the_kinds_of_this_door_have_a_status_and_a_word(error, status, reason):
    answer = problem.describe(error)
    assert (answer.status, json.loads(answer.body)["reason"]) == (status, reason)


def test_a_problem_has_the_form_of_rfc_9457():
    answer = problem.describe(errors.NotFound("there is no Function 'x'"))
    assert dict(answer.headers) == {"content-type": "application/problem+json", "cache-control": "no-store"}
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no Function 'x'",
        "reason": "NotFound",
    }


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Throttled("slow", retry_after_seconds=7.2), "retry-after", "7"),
        (errors.Throttled("slow"), "retry-after", "2"),
        (errors.StoreUnavailable("full"), "retry-after", "2"),
        (problem.Crowded("full"), "retry-after", "5"),
        (problem.Busy("full"), "retry-after", "2"),
        (errors.StoreCorrupt("broken"), "retry-after", None),
        (errors.Conflict("changed"), "retry-after", None),
        (errors.Unauthorized("who?"), "www-authenticate", 'Bearer realm="mayfly"'),
        (errors.Forbidden("no"), "www-authenticate", None),
        (problem.Refused("no", status=405, headers=(("allow", "POST"),)), "allow", "POST"),
    ],
    ids=str,
)
def test_what_the_caller_can_do_is_in_the_headers(error, header, value):
    assert dict(problem.describe(error).headers).get(header) == value


@pytest.mark.parametrize("text", ["half a pair \ud800", "€", "\x00\r\n"], ids=ascii)
def test_any_text_can_be_told(text):
    """The text may quote what somebody sent; the answer is JSON in UTF-8 all the same."""
    assert json.loads(problem.describe(errors.InvalidEvent(text)).body)["detail"] == text


def test_what_nobody_foresaw_tells_nothing_of_the_inside():
    answer = problem.describe_unforeseen()
    assert answer.status == 500
    assert json.loads(answer.body)["reason"] == "InternalError"
