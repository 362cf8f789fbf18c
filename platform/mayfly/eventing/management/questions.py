"""What is asked about invocations: parameters, wishes and bodies, checked. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterable
from urllib import parse

from mayfly import errors
from mayfly.model import names
from mayfly.store import records

MAX_PAGE = 500
"""Invocations on one page."""
PAGE = 100
"""The same when the question does not say."""
MAX_STEP = 1000
"""Dead letters that one request redrives or purges; the answer says how to go on."""
MAX_WAIT = 20.0
"""Seconds that a question may wait for an end: below the 60 s after which much that stands between hangs up."""

LISTING = ("function", "state", "since", "until", "limit", "cursor")
"""Parameters of a list of invocations."""
DEAD_LETTERS = ("function", "limit", "cursor")
"""Parameters of everything about several dead letters."""

END = 253_402_300_800
"""The year 10000 in POSIX seconds, which RFC 3339 cannot write."""

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list."""

    selection: records.Selection
    limit: int
    cursor: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A part of the dead letters, of one function or (``None``) of every one of the namespace."""

    function: str | None
    limit: int
    cursor: str | None


def parse_listing(query: str) -> Listing:
    """Return the page that a query asks for.

    Raises:
        errors.InvalidQuestion: a parameter is wrong; so is one that is not known, for a condition that is overlooked
            shows too much.
    """
    given = _read(query, LISTING)
    selection = records.Selection(
        function=_function(given.get("function")),
        states=_states(given.get("state")),
        since=_instant("since", given.get("since")),
        until=_instant("until", given.get("until")),
    )
    return Listing(selection, _limit(given.get("limit"), PAGE, MAX_PAGE), _id("cursor", given.get("cursor")))


def parse_dead_letters(query: str) -> Listing:
    """Return the page of dead letters that a query asks for; raises as ``parse_listing`` does."""
    given = _read(query, DEAD_LETTERS)
    selection = records.Selection(function=_function(given.get("function")), states=frozenset({records.State.DEAD}))
    return Listing(selection, _limit(given.get("limit"), PAGE, MAX_PAGE), _id("cursor", given.get("cursor")))


def parse_redrive(query: str) -> Step:
    """Return which dead letters are to be redriven; the cursor is an id. Raises as ``parse_listing`` does."""
    given = _read(query, DEAD_LETTERS)
    limit = _limit(given.get("limit"), MAX_STEP, MAX_STEP)
    return Step(_function(given.get("function")), limit, _id("cursor", given.get("cursor")))


def parse_purge(query: str) -> tuple[Step, float | None]:
    """Return which dead letters are to be deleted, and the instant before which they died; ``None`` is now.

    That instant is the cursor: what dies while a long purge runs is not meant. Raises as ``parse_listing`` does.
    """
    given = _read(query, DEAD_LETTERS)
    cursor = given.get("cursor")
    step = Step(_function(given.get("function")), _limit(given.get("limit"), MAX_STEP, MAX_STEP), cursor)
    return step, _instant("cursor", cursor)


def check_nothing(query: str) -> None:
    """Raise ``errors.InvalidQuestion`` unless there are no parameters at all."""
    _read(query, ())


def parse_revision(body: bytes, *, function: str) -> str | None:
    """Return the revision that the body of a replay names; ``None``: where the function's traffic goes.

    Raises:
        errors.InvalidQuestion: it is not an object with at most ``revision``, or that is not one of ``function``.
    """
    if not body.strip():
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.keys() - {"revision"}:
        raise errors.InvalidQuestion('the body of a replay is {"revision": "NAME"}, {} or nothing at all')
    revision = document.get("revision")
    if revision is None:
        return None
    # Knative names revisions so when their author does not, and Mayfly's Services leave it to Knative.
    if not isinstance(revision, str) or not re.fullmatch(rf"{re.escape(function)}-[0-9]{{5,}}", revision):
        raise errors.InvalidQuestion(
            f"revision {_cut(str(revision))}: name a revision of {function}, such as {function}-00001"
        )
    return revision


def parse_wait(prefer: Iterable[str]) -> float:
    """Return for how many seconds the ``Prefer`` headers want to wait (RFC 7240, section 4.3), 0 for not at all.

    >>> parse_wait(["respond-async, wait=10"]), parse_wait(["wait=3600"]), parse_wait(["wait=soon"])
    (10.0, 20.0, 0.0)
    """
    found = next((match for match in map(_WAIT.search, prefer) if match), None)
    return 0.0 if found is None else min(float(found[1]), MAX_WAIT)


def _read(query: str, known: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse.parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise errors.InvalidQuestion(
                f"parameter {_cut(name)} is not known here; there is {', '.join(known) or 'none'}"
            )
        if name in given:
            raise errors.InvalidQuestion(f"parameter {name} is given twice; give it once")
        given[name] = value
    return given


def _function(text: str | None) -> str | None:
    if text is None or (len(text) <= names.MAX_FUNCTION_NAME and _LABEL.fullmatch(text)):
        return text
    raise errors.InvalidQuestion(
        f"function={_cut(text)}: a function's name has at most {names.MAX_FUNCTION_NAME} of a-z, 0-9 and -"
    )


def _states(text: str | None) -> frozenset[records.State] | None:
    if text is None:
        return None
    try:
        return frozenset(map(records.State, text.split(",")))
    except ValueError:
        there = ", ".join(state.value for state in records.State)
        raise errors.InvalidQuestion(f"state={_cut(text)}: name one or several, with commas, of {there}") from None


def _instant(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
        if found.tzinfo is not None and 0 <= (seconds := found.timestamp()) < END:
            return seconds
    except (ValueError, OverflowError):
        pass
    raise errors.InvalidQuestion(
        f"{name}={_cut(text)}: write an instant as in RFC 3339, such as 2026-11-21T06:00:00Z; a + is %2B in a URL"
    )


def _limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if _NUMBER.fullmatch(text) and 1 <= int(text) <= most:
        return int(text)
    raise errors.InvalidQuestion(f"limit={_cut(text)}: a number from 1 to {most}")


def _id(name: str, text: str | None) -> str | None:
    if text is None or re.fullmatch(ID, text):
        return text
    raise errors.InvalidQuestion(f"{name}={_cut(text)}: pass on what the page before said")


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")  # noqa: PLR2004  (enough to recognise it)
