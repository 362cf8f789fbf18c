"""What kinds of invocations there are: why something is delivered."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Stored as ``kind`` of an invocation, shown to users."""

    EVENT = "event"
    """Somebody posted an event that a trigger wants."""
    CALL = "call"
    """Somebody called the Function asynchronously."""
    SCHEDULE = "schedule"
    """A schedule's tick."""
    REPLY = "reply"
    """A Function answered an event with another one."""
    SUCCESS = "success"
    """``delivery.onSuccess`` of another invocation."""
    FAILURE = "failure"
    """``delivery.onFailure`` of another invocation."""
    DEAD_LETTER = "dead-letter"
    """``delivery.deadLetter.sink`` of another invocation."""
    CALLBACK = "callback"
    """The ``X-Callback-Url`` of a call."""


ANSWERED = frozenset({Kind.CALL})
"""Kinds whose caller may ask for the answer: it is kept."""
FOLLOW_UPS = frozenset({Kind.SUCCESS, Kind.FAILURE, Kind.DEAD_LETTER, Kind.CALLBACK})
"""Kinds that cause no follow-ups of these kinds themselves: what tells of an end is the end."""
