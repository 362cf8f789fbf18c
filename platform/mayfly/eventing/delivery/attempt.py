"""One attempt to deliver, and what came of it, as values; ``post`` makes them, ``outcome`` judges them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.events import retry
from mayfly.store import records

SHOWN = 300
"""Characters of an answer's body that an error quotes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: records.Headers = ()
    """Names in lower case, without those that belong to the connection."""
    body: bytes = b""
    """As it came, even when it is compressed; cut at what a store keeps of a result."""
    truncated: bool = False
    """There was more than ``body``."""
    revision: str | None = None
    """The revision that answered, if the answer names it."""

    def header(self, name: str) -> str | None:
        """Return the first value of the header ``name`` (in lower case), ``None`` when there is none."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Failure:
    """There was no answer; ``text`` says more than ``kind``."""

    kind: retry.Failure
    text: str = ""


Came = Answer | Failure
"""What came of an attempt."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is over; instants are POSIX seconds."""

    started: float
    ended: float
    came: Came

    @property
    def answer(self) -> Answer | None:
        """The answer, ``None`` when there was none."""
        return self.came if isinstance(self.came, Answer) else None


def to_retry(came: Came) -> retry.Outcome:
    """Return what the retry policy needs to know of ``came``."""
    if isinstance(came, Failure):
        return came.kind
    return retry.Answer(came.status, came.header("retry-after"))


def describe(came: Came) -> str:
    r"""Return ``came`` in words, safe for a terminal.

    >>> describe(Answer(500, body=b"no\nstock"))
    'status 500: no stock'
    """
    if isinstance(came, Failure):
        return f"{came.kind}: {came.text}" if came.text else str(came.kind)
    place = came.header("location")
    if 300 <= came.status <= 399 and place is not None:  # noqa: PLR2004  (HTTP)
        return f"status {came.status}: redirects are not followed, it leads to {quote(place.encode())}"
    said = quote(came.body)
    return f"status {came.status}: {said}" if said else f"status {came.status}"


def quote(body: bytes) -> str:
    """Return the beginning of ``body`` as one line of text, without what a terminal could take for a command."""
    beginning = body[: SHOWN * 4].decode(errors="replace")
    text = " ".join("".join(one if one.isprintable() else " " for one in beginning).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
