"""What follows an attempt to deliver: done, tried again at an instant, or given up for a reason.

The answers are those of Knative's data plane (https://github.com/knative/specs/blob/main/specs/eventing/data-plane.md,
"Event Acknowledgement and Repeat Delivery"), with 408 as Knative Eventing itself has it. Jitter and the greatest age,
which Knative lacks, are ours. Instants are POSIX seconds as stored, so a clock that was set back makes an event young,
never older.
"""

from __future__ import annotations

import datetime as dt
import email.utils
from dataclasses import dataclass
from enum import StrEnum

from mayfly.model import trigger


class Failure(StrEnum):
    """Why an attempt got no answer."""

    UNREACHABLE = "Unreachable"
    """No connection, so the function saw nothing."""
    TIMEOUT = "Timeout"
    RESET = "Reset"
    """The connection ended before the answer did."""
    UNREADABLE = "Unreadable"
    """What came is no HTTP, or longer than is read."""
    FORBIDDEN = "Forbidden"
    """The platform does not send there: not on the list of allowed destinations."""
    GONE = "Gone"
    """There is no such function any more."""


class Class(StrEnum):
    """What an outcome means."""

    SUCCESS = "success"
    RETRY = "retry"
    DEAD = "dead"


class Reason(StrEnum):
    """Why something was given up; it is what dead letters say of themselves."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    EXPIRED = "Expired"
    REJECTED = "Rejected"
    """The function answered that trying again is of no use."""
    TOO_DEEP = "TooDeep"
    """The chain of events that led here is longer than allowed."""
    CANCELLED = "Cancelled"
    FORBIDDEN = "Forbidden"
    GONE = "Gone"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: ``status``, and the header ``Retry-After`` if there was one."""

    status: int
    retry_after: str | None = None


Outcome = Answer | Failure


@dataclass(frozen=True, slots=True)
class Policy:
    """``spec.delivery`` in seconds. ``attempts`` counts the first, too."""

    attempts: int = 6
    initial: float = 1.0
    longest: float = 300.0
    growth: trigger.BackoffPolicy = trigger.BackoffPolicy.EXPONENTIAL
    jitter: trigger.Jitter = trigger.Jitter.FULL
    max_age: float = 21600.0


DEFAULT = Policy()
"""What holds for a Function that says nothing."""


@dataclass(frozen=True, slots=True)
class Done:
    """It was delivered."""

    status: int


@dataclass(frozen=True, slots=True)
class Retry:
    """It is looked at again at the instant ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class Dead:
    """It was given up after ``attempts``; ``last`` is the outcome of the last one, ``None`` when there was none."""

    reason: Reason
    attempts: int
    last: Outcome | None = None

    @property
    def status(self) -> int | None:
        """The last HTTP status, ``None`` when the last attempt got no answer."""
        return self.last.status if isinstance(self.last, Answer) else None

    def __str__(self) -> str:
        last = f"status {self.last.status}" if isinstance(self.last, Answer) else str(self.last or "none")
        return f"{self.reason} after {self.attempts} attempts, the last: {last}"


Verdict = Done | Retry | Dead

RETRIED = frozenset({404, 408, 409, 429})
"""Answers below 500 that a later attempt can turn into success: not there yet, too slow, in progress, too many."""
_FAILURES = {Failure.FORBIDDEN: Reason.FORBIDDEN, Failure.GONE: Reason.GONE}
SPREAD = 0.2
"""How much later than ``Retry-After`` an attempt may come, as a part of it: all were told the same instant."""


def make_policy(delivery: trigger.Delivery) -> Policy:
    """Return the policy that ``spec.delivery`` describes."""
    return Policy(
        attempts=delivery.retries + 1,
        initial=delivery.backoff.initial_seconds,
        longest=max(delivery.backoff.initial_seconds, delivery.backoff.max_seconds),
        growth=delivery.backoff.policy,
        jitter=delivery.backoff.jitter,
        max_age=delivery.max_age_seconds,
    )


def classify(outcome: Outcome) -> Class:
    """Return what ``outcome`` means; a status that HTTP does not know is tried again."""
    if isinstance(outcome, Failure):
        return Class.DEAD if outcome in _FAILURES else Class.RETRY
    status = outcome.status
    if 200 <= status <= 299:  # noqa: PLR2004  (HTTP)
        return Class.SUCCESS
    return Class.DEAD if 100 <= status <= 499 and status not in RETRIED else Class.RETRY  # noqa: PLR2004


def decide(*, attempt: int, outcome: Outcome, policy: Policy, now: float, accepted_at: float, jitter: float) -> Verdict:
    """Return what follows attempt number ``attempt`` (the first is 1), which ended ``now`` with ``outcome``.

    ``jitter`` is a random number from 0 to 1. No instant lies behind the greatest age: there the event is looked at
    once more, and ``is_expired`` gives it up.
    """
    kind = classify(outcome)
    if kind is Class.SUCCESS:
        assert isinstance(outcome, Answer)  # a failure is none
        return Done(outcome.status)
    if kind is Class.DEAD:
        reason = _FAILURES[outcome] if isinstance(outcome, Failure) else Reason.REJECTED
        return Dead(reason, attempt, outcome)
    if attempt >= policy.attempts:
        return Dead(Reason.RETRIES_EXHAUSTED, attempt, outcome)
    if is_expired(policy=policy, now=now, accepted_at=accepted_at):
        return Dead(Reason.EXPIRED, attempt, outcome)
    wait = max(make_pause(attempt, policy, jitter), _read_wish(outcome, policy, now, jitter))
    return Retry(max(now, min(now + wait, accepted_at + policy.max_age)))


def is_expired(*, policy: Policy, now: float, accepted_at: float) -> bool:
    """Tell whether something accepted then is too old to be tried ``now``; asked before every attempt."""
    return now - accepted_at >= policy.max_age


def make_pause(failures: int, policy: Policy, jitter: float) -> float:
    """Return the seconds to wait after so many ``failures``, 1 or more.

    Jitter as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    if policy.growth is trigger.BackoffPolicy.LINEAR:
        whole = min(policy.longest, policy.initial * failures)
    else:
        whole = min(policy.longest, policy.initial * float(2 ** min(failures - 1, 62)))
    match policy.jitter:
        case trigger.Jitter.FULL:
            return whole * jitter
        case trigger.Jitter.EQUAL:
            return whole / 2 + whole / 2 * jitter
        case trigger.Jitter.NONE:
            return whole


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, ``None`` when it cannot be read.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: seconds, or a date.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = email.utils.parsedate_to_datetime(text)
        when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when
        return max(0.0, when.timestamp() - now)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _read_wish(outcome: Outcome, policy: Policy, now: float, jitter: float) -> float:
    """Return the seconds that the function asked for, spread a little, at most the longest pause."""
    if isinstance(outcome, Failure) or outcome.retry_after is None:
        return 0.0
    wish = parse_retry_after(outcome.retry_after, now)
    return 0.0 if wish is None else min(wish * (1 + SPREAD * jitter), policy.longest)
