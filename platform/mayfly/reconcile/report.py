"""From verdicts to the status that is written and the Events that are told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mayfly.model import build, labels, status
from mayfly.reconcile import deployed, diagnose, observe, verdicts

MAX_MESSAGE = 4000
"""Characters of a condition's message: ``kubectl describe`` stays readable and the object small."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the steps to Ready say."""

    built: verdicts.Verdict
    deployed: verdicts.Verdict
    routed: verdicts.Verdict
    triggered: verdicts.Verdict


@dataclass(frozen=True, slots=True)
class Event:
    """One Event for ``kubectl describe``."""

    reason: str
    message: str
    warning: bool = False


def format_time(moment: datetime) -> str:
    """Return ``moment`` as Kubernetes writes times: RFC 3339, UTC, whole seconds.

    >>> from datetime import UTC
    >>> format_time(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_status(
    after: status.FunctionStatus, said: Verdicts, *, generation: int, now: datetime
) -> status.FunctionStatus:
    """Return ``after`` with its conditions set and Ready summed up."""
    moment = format_time(now)
    for kind, verdict in zip(status.STEPS, (said.built, said.deployed, said.routed, said.triggered), strict=True):
        message = verdict.message[:MAX_MESSAGE]
        after = after.mark(kind, verdict.truth, verdict.reason, message, now=moment, generation=generation)
    after = after.model_copy(update={"observed_generation": generation})
    return after.summarise(now=moment, generation=generation)


def describe_service(
    before: status.FunctionStatus, service: observe.Object | None, seen: observe.Observation
) -> status.FunctionStatus:
    """Return ``before`` with what the Knative Service says: URLs, revision, instances."""
    told = (service or {}).get("status") or {}
    newest, ready = told.get("latestCreatedRevisionName"), told.get("latestReadyRevisionName")
    running = [pod for pod in seen.pods_of(newest or "") if diagnose.is_ready(pod)]
    address = (told.get("address") or {}).get("url")
    return before.model_copy(
        update={
            "url": told.get("url"),
            "address": status.Address(url=address) if address else None,
            "revision": ready,
            "replicas": len(running),
            "selector": labels.function_selector(seen.owned_by.name),
        }
    )


def describe_image(
    before: status.FunctionStatus, revision: observe.Object | None, *, provided: str | None
) -> status.FunctionStatus:
    """Return ``before`` with the ready image ``provided`` by the author, by digest once Knative has resolved it.

    ``None`` leaves it: the image of a build is known from the builder.
    """
    if provided is None:
        return before
    return before.model_copy(update={"image": deployed.find_digest(revision) or provided})


def plan_events(before: status.FunctionStatus, after: status.FunctionStatus) -> tuple[Event, ...]:
    """Return an Event for each condition that changed its status or its reason, and for each new image.

    Ready is told only when it comes true: what made it false has been told by the step that failed.
    """
    planned = (_plan_event(kind, before.get_condition(kind), after.get_condition(kind)) for kind in status.STEPS)
    events = [event for event in planned if event is not None]
    if _is_built_anew(before, after) and not any(event.reason == "Built" for event in events):
        events.insert(0, Event("Built", f"image {after.image}"))
    ready = after.get_condition(status.ConditionType.READY)
    was_ready = before.get_condition(status.ConditionType.READY)
    if ready is not None and ready.status == "True" and (was_ready is None or was_ready.status != "True"):
        events.append(Event("Ready", f"served at {after.url}"))
    return tuple(events)


def _is_built_anew(before: status.FunctionStatus, after: status.FunctionStatus) -> bool:
    """Tell whether another build has succeeded, so fast that condition Built never said anything but True."""
    if after.build is None or after.build.state != build.BuildState.SUCCEEDED:
        return False
    return before.build is None or before.build.request != after.build.request


_QUIET = frozenset(
    {"AwaitingBuild", "AwaitingRevision", "Deploying", "Routing", "ImageProvided", "Routed", "NoTriggers"}
)
"""Reasons that are on the way to somewhere, or that Ready tells in the same breath."""


def _plan_event(
    kind: status.ConditionType, before: status.Condition | None, after: status.Condition | None
) -> Event | None:
    if after is None or after.reason in _QUIET:
        return None
    if before is not None and (before.status, before.reason) == (after.status, after.reason):
        return None
    if kind == status.ConditionType.ROUTED and after.status == "Unknown":
        return None
    bad = after.status == "False" or (after.status == "Unknown" and after.reason != "Building")
    return Event(after.reason, after.message, warning=bad)
