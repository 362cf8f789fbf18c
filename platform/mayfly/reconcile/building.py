"""The build phase: from a request to an image.

``plan_build`` decides from the status alone whether the builder must be asked at all; ``record_build`` turns its
answer into a status. Both are pure; ``Builder`` is the edge between them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from mayfly import errors
from mayfly.model import build, function, status
from mayfly.reconcile import report, verdicts
from mayfly.resources import owner

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
"""A builder that is back is found within half a minute."""
KEPT_LOG_LINES = 40
"""Lines of a failed build's log that status keeps; an object may hold 1.5 MB and thousands of Functions share etcd."""


class Builder(Protocol):
    """Whoever builds images."""

    async def ask(self, *, request: build.BuildRequest, wait_seconds: float) -> build.BuildStatus:
        """Ask for the image of ``request``, waiting so long for a final state.

        Raises:
            BuilderUnavailable: it cannot be reached or is full.
            BuildError: it refuses the request.
        """
        ...


class Need(Enum):
    """What the build phase has to do."""

    NOTHING = auto()
    """There is nothing to build, or the image exists."""
    GIVE_UP = auto()
    """This very request has failed for good."""
    ASK = auto()
    """The builder is to be asked."""
    LOOK = auto()
    """All is settled, but it is time to ask whether the branch has moved."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the build stands: ``image`` is what to deploy, ``None`` when there is nothing to deploy (yet)."""

    status: status.FunctionStatus
    verdict: verdicts.Verdict
    image: str | None = None


def plan_build(before: status.FunctionStatus, request: build.BuildRequest | None, *, look_due: bool = False) -> Need:
    """Return what is to be done for ``request``, ``None`` meaning a ready image.

    A failure counts as final only while condition Built says False: a temporary one leaves it Unknown.
    """
    if request is None:
        return Need.NOTHING
    record = before.build
    if record is None or record.request != request.digest():
        return Need.ASK
    if record.state == build.BuildState.SUCCEEDED and before.image is not None:
        return Need.LOOK if look_due else Need.NOTHING
    condition = before.get_condition(status.ConditionType.BUILT)
    failed = record.state == build.BuildState.FAILED and condition is not None and condition.status == "False"
    if not failed:
        return Need.ASK
    return Need.LOOK if look_due else Need.GIVE_UP


def mark_look(before: status.FunctionStatus, owned_by: owner.Owner, generation: int) -> str:
    """Return what tells one look at a branch from the next: the same until its answer is recorded.

    So all calls of one build are about one commit, and neither a new spec nor a new Function of the old name is
    answered with what was found for another.
    """
    checked = before.build.checked if before.build is not None else None
    return f"{owned_by.uid} {generation} {checked or ''}"


def plan_look(before: status.FunctionStatus, spec: function.FunctionSpec, *, now: datetime) -> float | None:
    """Return the seconds until the branch is to be looked at again, 0 when it is time, ``None`` for never."""
    interval = spec.source.git.interval_seconds if spec.source.git is not None else None
    if interval is None or before.build is None:
        return None
    if before.build.checked is None:
        return 0.0
    return max(interval - (now - datetime.fromisoformat(before.build.checked)).total_seconds(), 0.0)


def reuse_build(before: status.FunctionStatus, source: function.Source) -> Outcome:
    """Return the outcome when nothing has to be built."""
    if source.image is not None:
        cleared = {"build": None, "runtime": None, "handler": None, "signature": None, "signature_reason": None}
        return Outcome(before.model_copy(update=cleared), verdicts.image_provided(), source.image)
    if before.image is None:
        raise AssertionError("plan_build says NOTHING only with an image")
    return Outcome(before, verdicts.built(before.image), before.image)


def repeat_failure(before: status.FunctionStatus) -> Outcome:
    """Return the outcome of a request that has failed already: what the condition says stays."""
    condition = before.get_condition(status.ConditionType.BUILT)
    reason, message = (condition.reason, condition.message) if condition else ("BuildFailed", "")
    return Outcome(before, verdicts.build_failed(reason, message))


def record_look(
    before: status.FunctionStatus, request: build.BuildRequest, answer: build.BuildStatus, *, now: datetime
) -> Outcome:
    """Return the outcome of a look: nothing is said of it before it has found another commit, or an end."""
    record = before.build or status.BuildRecord()
    if answer.final or (answer.revision is not None and answer.revision != record.revision):
        return record_build(before, request, answer, now=now)
    if record.state == build.BuildState.FAILED or before.image is None:
        return repeat_failure(before)
    return Outcome(before, verdicts.built(before.image), before.image)


def _time_look(
    before: status.FunctionStatus, request: build.BuildRequest, answer: build.BuildStatus, now: datetime
) -> str | None:
    """Return when a branch was last looked at, ``None`` for a source that does not move; trouble does not count."""
    if not request.source.moving:
        return None
    if answer.final and not answer.temporary:
        return report.format_time(now)
    return before.build.checked if before.build is not None else None


def record_build(
    before: status.FunctionStatus, request: build.BuildRequest, answer: build.BuildStatus, *, now: datetime
) -> Outcome:
    """Return the outcome of the builder's ``answer``; the image of an older build stays until there is a newer one."""
    record = status.BuildRecord(
        request=request.digest(),
        fingerprint=answer.fingerprint,
        state=answer.state,
        cached=answer.cached,
        revision=answer.revision,
        checked=_time_look(before, request, answer, now),
        steps=tuple(
            status.BuildStepRecord(name=step.name, seconds=round(step.seconds, 3), detail=step.detail)
            for step in answer.steps
        ),
        log=answer.log[-KEPT_LOG_LINES:] if answer.state == build.BuildState.FAILED else (),
    )
    after = before.model_copy(update={"build": record})
    if answer.state == build.BuildState.FAILED:
        reason = answer.reason or errors.BuildError.reason
        say = verdicts.build_delayed if answer.temporary else verdicts.build_failed
        return Outcome(after, verdicts.still_serving(say(reason, answer.message), before.revision))
    if answer.state != build.BuildState.SUCCEEDED:
        return Outcome(after, verdicts.building(answer.state))
    if answer.image is None:
        return Outcome(after, verdicts.build_delayed("BuilderUnavailable", "the builder named no image"))
    chosen = {
        "image": answer.image,
        "runtime": answer.runtime,
        "handler": answer.handler,
        "signature": answer.signature and str(answer.signature),
        "signature_reason": answer.signature_reason or None,
    }
    return Outcome(after.model_copy(update=chosen), verdicts.built(answer.image), answer.image)


def record_trouble(before: status.FunctionStatus, error: errors.MayflyError) -> Outcome:
    """Return the outcome when the builder, or something before it, could not do its work."""
    said = (
        verdicts.build_delayed(error.reason, str(error))
        if error.temporary
        else verdicts.build_failed(error.reason, str(error))
    )
    return Outcome(before, verdicts.still_serving(said, before.revision))


def plan_pause(condition: status.Condition | None, *, now: datetime) -> float:
    """Return the seconds until the next try: as long as the trouble has lasted, within bounds, with jitter.

    So the pause doubles from try to try and yet nobody counts them.
    """
    lasted = 0.0
    if condition is not None and condition.last_transition_time:
        lasted = (now - datetime.fromisoformat(condition.last_transition_time)).total_seconds()
    pause = min(max(lasted, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311  (jitter, not a secret)
