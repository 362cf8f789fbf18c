"""What follows an attempt to deliver, or the look before it: delivered, tried again, or given up. Pure.

Chance and instants are passed in. Each function returns a ``Settlement``: everything that the store writes at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mayfly import errors
from mayfly.eventing import kinds
from mayfly.eventing.delivery import attempt, case, followups, news, reply
from mayfly.events import chain, retry
from mayfly.model import duration
from mayfly.store import records

UNSEEN = 3
"""Attempts whose end nobody saw, beyond those that the policy grants: what always takes its worker down ends here."""
GRACE_SECONDS = 10.0
"""So long after it was accepted by a replica that knew its Function another replica may not know that yet."""
GRACE_STEP_SECONDS = 1.0
LIMITS = records.DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the store is told of one lease."""

    outcome: records.Outcome
    attempt: records.Try | None = None
    """``None``: nothing was sent."""
    follow_ups: tuple[records.NewInvocation, ...] = ()


def forestall(one: case.Case, *, now: float) -> Settlement | None:
    """Return how an invocation ends that is not even tried; ``None``: it is to be tried."""
    invocation, policy = one.invocation, one.policy
    if one.to is None and not invocation.target:
        if now - invocation.accepted < GRACE_SECONDS:
            return Settlement(records.Retry(now + GRACE_STEP_SECONDS))
        detail = f"There is no Function {invocation.function!r} in namespace {invocation.namespace!r}."
        return _give_up(one, retry.Reason.GONE, detail, now)
    if chain.is_too_deep(invocation.depth):
        detail = f"{invocation.depth} events led here, one the reply to the other; at most {chain.MAX_DEPTH} may."
        return _give_up(one, retry.Reason.TOO_DEEP, detail, now)
    if retry.is_expired(policy=policy, now=now, accepted_at=one.accepted_at):
        return _give_up(one, retry.Reason.EXPIRED, _describe_age(one), now)
    if invocation.tries >= policy.attempts + UNSEEN:
        detail = f"Of {invocation.tries} attempts the last {UNSEEN} or more were never seen to end."
        return _give_up(one, retry.Reason.RETRIES_EXHAUSTED, detail, now)
    return None


def conclude(one: case.Case, tried: attempt.Attempt, *, chance: float) -> Settlement:
    """Return what follows ``tried``; ``chance`` is a random number from 0 to 1."""
    verdict = retry.decide(
        attempt=one.invocation.tries + 1,
        outcome=attempt.to_retry(tried.came),
        policy=one.policy,
        now=tried.ended,
        accepted_at=one.accepted_at,
        jitter=chance,
    )
    match verdict:
        case retry.Done():
            return _deliver(one, tried)
        case retry.Retry(at):
            return Settlement(records.Retry(at), _make_try(tried, attempt.describe(tried.came)))
        case retry.Dead():
            return _bury(one, tried, verdict)


def hand_back(one: records.Invocation, *, due: float | None = None) -> Settlement:
    """Return that nothing was sent, and that it waits as before, or until ``due``."""
    return Settlement(records.Retry(one.due if due is None else due))


def interrupt(*, started: float, now: float) -> Settlement:
    """Return what follows an attempt that was cut short because this process ends: the next one is due at once."""
    error = "The platform's process was stopped before the answer came; the function may have had the message."
    return Settlement(records.Retry(now), records.Try(started, now, error=error))


def excuse(one: case.Case, error: Exception, *, started: float, now: float, chance: float) -> Settlement:
    """Return what follows an error of our own: another attempt, after a pause as if it had been the function's."""
    pause = retry.make_pause(one.invocation.tries + 1, one.policy, chance)
    text = f"Mayfly's own error, its log says more: {type(error).__name__}: {error}"
    return Settlement(records.Retry(now + pause), records.Try(started, now, error=text))


def _deliver(one: case.Case, tried: attempt.Attempt) -> Settlement:
    answer = tried.answer
    assert answer is not None  # a failure is no delivery
    replies, problem = _publish_reply(one, answer, now=tried.ended)
    ending = news.Ending(
        answer=answer,
        status=answer.status,
        seconds=tried.ended - tried.started,
        attempts=one.invocation.attempts + 1,
    )
    caused = (*replies, *followups.make_follow_ups(one, ending, now=tried.ended))
    kept, lost = followups.fit(followups.name_after(one, caused), LIMITS)
    error = " ".join(filter(None, (problem, lost)))
    return Settlement(records.Delivered(_make_result(one, answer)), _make_try(tried, error), kept)


def _publish_reply(
    one: case.Case, answer: attempt.Answer, *, now: float
) -> tuple[tuple[records.NewInvocation, ...], str]:
    """Return the deliveries of the event in ``answer``, and what is wrong with it: the delivery succeeded even so."""
    try:
        found = reply.read_reply(one.kind, answer)
        return (() if found is None else reply.publish_reply(one, found, now=now)), ""
    except errors.InvalidEvent as error:
        return (), f"The event in the answer was not published: {error}."


def _bury(one: case.Case, tried: attempt.Attempt, dead: retry.Dead) -> Settlement:
    said = attempt.describe(tried.came)
    detail = f"{_describe_end(one, dead)}: {said}"
    ending = news.Ending(
        dead=dataclasses.replace(dead, attempts=one.invocation.attempts + 1),
        detail=detail,
        answer=tried.answer,
        status=one.invocation.status if dead.status is None else dead.status,
        seconds=tried.ended - tried.started,
        attempts=one.invocation.attempts + 1,
    )
    result = None if tried.answer is None else _make_result(one, tried.answer)
    return _close(one, ending, now=tried.ended, result=result, tried=_make_try(tried, said))


def _give_up(one: case.Case, reason: retry.Reason, detail: str, now: float) -> Settlement:
    """Return the end of what is not tried (again); its last status is that of an earlier attempt, if there was one."""
    status = one.invocation.status
    dead = retry.Dead(reason, one.invocation.attempts, None if status is None else retry.Answer(status))
    ending = news.Ending(dead=dead, detail=detail, status=status, attempts=one.invocation.attempts)
    return _close(one, ending, now=now, result=None, tried=None)


def _close(
    one: case.Case,
    ending: news.Ending,
    *,
    now: float,
    result: records.Result | None,
    tried: records.Try | None,
) -> Settlement:
    assert ending.dead is not None
    caused = followups.make_follow_ups(one, ending, now=now)
    kept, lost = followups.fit(followups.name_after(one, caused), LIMITS)
    detail = f"{ending.detail} {lost}" if lost else ending.detail
    return Settlement(records.Dead(ending.dead.reason.value, detail, result), tried, kept)


def _describe_end(one: case.Case, dead: retry.Dead) -> str:
    match dead.reason:
        case retry.Reason.RETRIES_EXHAUSTED:
            return f"Attempt {dead.attempts} of {one.policy.attempts} failed"
        case retry.Reason.EXPIRED:
            return f"Attempt {dead.attempts} failed at the end of its greatest age"
        case retry.Reason.REJECTED:
            return f"Attempt {dead.attempts} got an answer that no further attempt would change"
        case _:
            return f"Attempt {dead.attempts} was not let through"


def _describe_age(one: case.Case) -> str:
    tries, status = one.invocation.tries, one.invocation.status
    age = duration.format_duration(one.policy.max_age)
    last = "" if status is None else f", the last status {status}"
    return f"It was not delivered within its greatest age ({age}): {tries} attempts{last if tries else ''}."


def _make_result(one: case.Case, answer: attempt.Answer) -> records.Result | None:
    if one.kind not in kinds.ANSWERED:
        return None
    return records.Result(answer.status, answer.headers, answer.body, answer.truncated)


def _make_try(tried: attempt.Attempt, error: str) -> records.Try:
    answer = tried.answer
    return records.Try(
        started=tried.started,
        ended=tried.ended,
        status=None if answer is None else answer.status,
        error=error,
        revision=None if answer is None else answer.revision,
    )
