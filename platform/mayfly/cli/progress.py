"""How far a Function has come, read from its status. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from mayfly.cli import view

State = Literal["waiting", "running", "done", "failed"]

STEPS = {"Built": "build", "Deployed": "roll out", "Routed": "route", "Triggered": "subscribe"}
"""Condition -> what its step is called. The names are those of ``model.status.ConditionType``, which a test proves;
importing it would bring pydantic, which costs the command a tenth of a second."""
READY = "Ready"
PASSING = frozenset({"Unschedulable"})
"""Reasons of a False that ends by itself when a node comes or another pod goes; worth waiting for, and saying."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: its name, where it is, a remark, and the finished parts of it as (name, seconds, remark)."""

    name: str
    state: State
    detail: str = ""
    parts: tuple[tuple[str, float, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a Function did not become ready: one word, the message, what else the last lines of the build log say."""

    reason: str
    message: str
    log: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A Function at one moment; ``failure`` is ``None`` unless it failed for good."""

    steps: tuple[Step, ...]
    ready: bool
    failure: Failure | None

    @property
    def final(self) -> bool:
        """Say whether waiting longer has no sense."""
        return self.ready or self.failure is not None


def read(obj: Mapping[str, Any], *, known_build: str = "") -> Snapshot:
    """Return how far ``obj`` has come with its present spec; what its status says of an older one does not count.

    ``known_build`` is ``status.build.request`` of before: when it is still the same there was nothing to build.
    """
    generation = obj["metadata"].get("generation", 0)
    status = obj.get("status") or {}
    fresh = status.get("observedGeneration", 0) >= generation
    conditions = {kind: _get_fresh(obj, kind, generation) if fresh else {} for kind in (*STEPS, READY)}
    steps: list[Step] = []
    for kind, name in STEPS.items():
        if kind == "Triggered" and not (obj.get("spec") or {}).get("triggers"):
            continue  # nothing that its author would wait for
        state = _judge(conditions[kind], reached=all(step.state == "done" for step in steps))
        detail = conditions[kind].get("reason", "") if state == "running" else ""
        build = status.get("build") if fresh and kind == "Built" else None
        steps.append(_make_build_step(state, detail, build, known_build) if build else Step(name, state, detail))
    return Snapshot(tuple(steps), conditions[READY].get("status") == "True", _find_failure(conditions, status))


def _make_build_step(state: State, detail: str, build: Mapping[str, Any], known: str) -> Step:
    if build.get("request") and build["request"] == known:
        return Step(STEPS["Built"], state, detail or "nothing to build")
    parts = tuple((part["name"], float(part["seconds"]), part.get("detail", "")) for part in build.get("steps") or ())
    return Step(STEPS["Built"], state, "image existed" if build.get("cached") else detail, parts)


def _get_fresh(obj: Mapping[str, Any], kind: str, generation: int) -> dict[str, Any]:
    condition = view.get_condition(obj, kind)
    return condition if condition.get("observedGeneration", generation) >= generation else {}


def _judge(condition: Mapping[str, Any], *, reached: bool) -> State:
    """Return where a step is; ``reached`` says that those before it are done."""
    if condition.get("status") == "True":
        return "done" if reached else "waiting"
    if condition.get("status") == "False" and condition.get("reason") not in PASSING:
        return "failed"
    return "running" if reached else "waiting"


def _find_failure(conditions: Mapping[Any, Mapping[str, Any]], status: Mapping[str, Any]) -> Failure | None:
    ready = conditions[READY]
    if ready.get("status") != "False" or ready.get("reason") in PASSING:
        return None
    failure = Failure(ready.get("reason") or "Failed", ready.get("message") or "the status does not say why")
    if conditions["Built"].get("status") != "False":
        return failure
    return dataclasses.replace(failure, log=_find_news(failure, status.get("build") or {}))


def _find_news(failure: Failure, build: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines of the build log that neither the message nor the steps have told already."""
    steps = tuple(f"{step['name']}: " for step in build.get("steps") or ())
    told = {line.strip() for line in f"{failure.reason}: {failure.message}\n{failure.message}".splitlines()}
    return tuple(
        line for line in build.get("log") or () if line.strip() not in told and not line.startswith(steps or ("\0",))
    )
