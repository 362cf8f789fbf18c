"""Every error of ours has an HTTP status, and an answer that names value, rule and fix."""

from __future__ import annotations

import json

import pytest

from mayfly import errors
from mayfly.api import problem
from mayfly.cluster import gatekeeper


def walk(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from walk(below)


OURS = [kind for kind in walk(errors.MayflyError) if kind.__module__ == "mayfly.errors"]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_has_a_status(kind):
    assert 400 <= problem.STATUSES[kind] <= 599


def test_the_kinds_of_this_door_have_one_too():
    assert problem.status_of(problem.Refused("x", status=413)) == 413
    assert problem.status_of(gatekeeper.ReviewFailed("x")) == 503


def test_a_problem_has_the_form_of_rfc_9457():
    answer = problem.describe(errors.NotFound("function 'x' is not there; create it"))
    assert answer.media_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "function 'x' is not there; create it",
        "reason": "NotFound",
    }


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Throttled("slow", retry_after_seconds=7.2), "retry-after", "7"),
        (errors.Throttled("slow"), "retry-after", "2"),
        (errors.Unreachable("gone"), "retry-after", "2"),
        (errors.RegistryError("down", status=503), "retry-after", "2"),
        (errors.RegistryError("denied", status=403), "retry-after", None),
        (errors.Conflict("changed"), "retry-after", None),
        (errors.Unauthorized("who?"), "www-authenticate", 'Bearer realm="mayfly"'),
    ],
    ids=str,
)
def test_what_the_caller_can_do_is_in_the_headers(error, header, value):
    assert problem.describe(error).headers.get(header) == value
