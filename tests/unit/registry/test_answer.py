"""What a registry says becomes an error that a person can act on, and a decision whether to try again."""

from __future__ import annotations

import email.utils
import time

import pytest

from mayfly import errors
from mayfly.registry import answer, challenge, memo, retry


@pytest.mark.parametrize(
    ("body", "codes", "words"),
    [
        pytest.param(b"", (), "", id="empty"),
        pytest.param(b'{"errors":[{"code":"DENIED","message":"no"}]}', ("DENIED",), "DENIED: no", id="one"),
        pytest.param(b'{"errors":[{"code":"A"},{"code":"B"}]}', ("A", "B"), "A: ; B: ", id="two without message"),
        pytest.param(b"<h1>Bad\n  Gateway</h1>", (), "<h1>Bad Gateway</h1>", id="HTML"),
        pytest.param(b'{"errors": 3}', (), '{"errors": 3}', id="other JSON"),
        pytest.param(b'{"errors": [3]}', (), '{"errors": [3]}', id="errors are numbers"),
        pytest.param(b"x" * 1000, (), "x" * 256, id="long"),
        pytest.param(b"\xff", (), "�", id="not text"),
    ],
)
def test_error_bodies(body, codes, words):
    """Codes are found where there are any, and words are cut to fit."""
    assert answer.parse_errors(body) == (codes, words)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        pytest.param("0", 0, 0, id="at once"),
        pytest.param("120", 120, 120, id="seconds"),
        pytest.param("Mon, 01 Jan 2001 00:00:00 GMT", 0, 0, id="past"),
    ],
)
def test_retry_after(text, low, high):
    """Seconds are taken as they are, and the past is now."""
    assert low <= answer.parse_retry_after(text) <= high


def test_retry_after_as_a_date():
    """A date becomes the seconds until then."""
    assert 50 <= answer.parse_retry_after(email.utils.formatdate(time.time() + 100, usegmt=True)) <= 100


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "Mon, 99 Jan 2001 00:00:00 GMT", "٣x"])
def test_unreadable_retry_after(text):
    """A wish that cannot be read is none."""
    assert answer.parse_retry_after(text) is None


def make_refusal(status: int, retry_after: str = "") -> errors.RegistryError:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return answer.make_refusal("r.example", "GET /v2/", status=status, headers=headers)


def test_temporary_is_decided_by_the_status():
    """The table of the error tree holds for every status."""
    for status in range(400, 600):
        assert make_refusal(status).temporary == (status in errors.TEMPORARY_REGISTRY_STATUSES)


def test_pauses_grow_to_their_limit():
    """Each pause is between half and all of a doubling bound, and there is an end."""
    pace = retry.Pace(attempts=6, first_seconds=1, longest_seconds=4)
    for failures, bound in enumerate([1, 2, 4, 4, 4], start=1):
        for _ in range(20):
            assert bound / 2 <= pace.find_pause(failures, make_refusal(500)) <= bound
    assert pace.find_pause(6, make_refusal(500)) is None


def test_registry_wish_is_obeyed_within_patience():
    """A short wish replaces our pause; a long one ends the attempts; a permanent refusal has none."""
    pace = retry.Pace(patience_seconds=10)
    assert pace.find_pause(1, make_refusal(429, "7")) == 7
    assert pace.find_pause(1, make_refusal(429, "11")) is None
    assert pace.find_pause(1, make_refusal(403, "1")) is None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["Negotiate"], None, id="unknown"),
        pytest.param(['Basic realm="x"'], ("basic", "x", "", ""), id="basic"),
        pytest.param(
            ['Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"'],
            ("bearer", "https://a/t", "s", "repository:x:pull,push"),
            id="bearer",
        ),
        pytest.param(['basic realm="x"', "BEARER Realm=y , SERVICE = z"], ("bearer", "y", "z", ""), id="strongest"),
        pytest.param(['Bearer realm="a\\"b"'], ("bearer", 'a"b', "", ""), id="quoted pair"),
        pytest.param(["Bearer"], ("bearer", "", "", ""), id="bare"),
    ],
)
def test_challenges(headers, found):
    """The strongest challenge that can be answered is chosen, whatever its spelling."""
    parsed = challenge.parse_challenges(headers)
    assert parsed == (challenge.Challenge(*found) if found else None)


def test_memo_remembers_and_forgets():
    """Facts are per repository; the last place of a blob is offered until it is forgotten."""
    known = memo.Memo()
    known.add(repository="a", digest="1")
    known.add(repository="b", digest="1")
    assert known.has(repository="a", digest="1")
    assert not known.has(repository="a", digest="2")
    assert known.find("1") == "b"
    known.forget("b")
    assert not known.has(repository="b", digest="1")
    assert known.has(repository="a", digest="1")


def test_memo_is_bounded(monkeypatch):
    """Old facts go when there are too many."""
    monkeypatch.setattr(memo, "_LIMIT", 3)
    known = memo.Memo()
    for number in range(5):
        known.add(repository="a", digest=str(number))
    assert [known.has(repository="a", digest=str(number)) for number in range(5)] == [False, False, True, True, True]
    assert known.find("0") is None
