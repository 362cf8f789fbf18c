"""What each refusal of the API server means."""

from __future__ import annotations

import json

import pytest

from mayfly import errors
from mayfly.cluster import answer


@pytest.mark.parametrize(
    ("status", "expected", "temporary"),
    [
        (400, errors.Invalid, False),
        (401, errors.Unauthorized, False),
        (403, errors.Forbidden, False),
        (404, errors.NotFound, False),
        (405, errors.ClusterError, False),
        (409, errors.Conflict, True),
        (410, answer.Expired, True),
        (422, errors.Invalid, False),
        (429, errors.Throttled, True),
        (500, errors.Unreachable, True),
        (503, errors.Unreachable, True),
        (504, errors.Unreachable, True),
    ],
)
def test_each_status_has_its_error(status, expected, temporary):
    """A status maps to one class, and the server's own words are kept."""
    body = json.dumps({"kind": "Status", "message": "spec.timeout: Invalid value: -1", "code": status}).encode()
    error = answer.failure(status=status, body=body)
    assert type(error) is expected
    assert error.temporary is temporary
    assert str(error) == "spec.timeout: Invalid value: -1"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, {}, 7.0, id="header"),
        pytest.param({}, {"details": {"retryAfterSeconds": 3}}, 3.0, id="details"),
        pytest.param({"Retry-After": "7"}, {"details": {"retryAfterSeconds": 3}}, 7.0, id="header-first"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None, id="date-is-not-given-by-kubernetes"),
        pytest.param({"Retry-After": "-4"}, {}, 0.0, id="negative"),
        pytest.param({}, {"details": None}, None, id="none"),
    ],
)
def test_throttled_carries_the_wished_pause(headers, body, seconds):
    """429 says how long to wait, if the server said so."""
    error = answer.failure(status=429, body=body, headers=headers)
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[1]", b"null", b"\xff\xfe", b"x" * 100_000])
def test_what_is_not_a_status_still_becomes_an_error(body):
    """A proxy's page, an empty body or rubbish never breaks the mapping, and a long one is cut."""
    error = answer.failure(status=502, body=body)
    assert isinstance(error, errors.Unreachable)
    assert 0 < len(str(error)) <= answer.MAX_MESSAGE


def test_apply_of_an_unknown_field_is_the_authors_fault():
    """Server-side apply answers 500 to an unknown field; trying again would never help."""
    message = "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .dataa: field not declared in schema"
    error = answer.failure(status=500, body={"message": message})
    assert isinstance(error, errors.Invalid)
    assert not error.temporary
    assert str(error) == "ConfigMap a/b is invalid: unknown field dataa; `kubectl explain` lists the known ones"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('Function "a" is invalid: spec: Invalid value: "object": set one', 'Function "a" is invalid: spec: set one'),
        ('Function "a.b" is invalid: <nil>: Invalid value: "object": no dot', 'Function "a.b" is invalid: no dot'),
        pytest.param(
            '[spec.x: Unsupported value: "foo", <nil>: Invalid value: null: some validation rules were not checked'
            " because the object was invalid; correct the existing errors to complete validation]",
            '[spec.x: Unsupported value: "foo"]',
        ),
        ('spec.timeout: Invalid value: "7": no unit', 'spec.timeout: Invalid value: "7": no unit'),
    ],
    ids=["type for value", "root", "unchecked rules", "value"],
)
def test_what_tells_nothing_is_left_out(said, shown):
    """A CEL rule is reported with the type it looked at, and with a remark on rules that were not reached."""
    assert str(answer.failure(status=422, body={"message": said})) == shown
