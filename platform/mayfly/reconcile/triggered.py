"""Verdict on the triggers of a Function: is every one in force? Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.events import triggers
from mayfly.model import function
from mayfly.reconcile import verdicts


@dataclass(frozen=True, slots=True)
class Judgement:
    """What condition Triggered says, and how many triggers are in force."""

    verdict: verdicts.Verdict
    in_force: int = 0


def judge_triggered(spec: function.FunctionSpec | None, *, takes_events: bool) -> Judgement:
    """Return what is to be said of ``spec.triggers``; ``None`` is a spec that cannot be read.

    ``takes_events`` says whether the installation has the process that obeys triggers.
    """
    if spec is None:
        return Judgement(verdicts.triggers_unread())
    if not spec.triggers:
        return Judgement(verdicts.no_triggers())
    if not takes_events:
        return Judgement(verdicts.events_disabled())
    found = triggers.read_triggers(spec.triggers)
    in_force = len(found.filters) + len(found.tickers)
    if found.problems:
        return Judgement(verdicts.triggers_refused(found.problems, in_force=in_force), in_force)
    return Judgement(verdicts.subscribed(len(found.filters), len(found.tickers)), in_force)
