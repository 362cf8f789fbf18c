"""The vocabulary of a Function's conditions: every reason and every message, in one place.

Each function names one thing that can be said about a Function. Messages name the offending thing and the fix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mayfly import errors
from mayfly.events import triggers
from mayfly.model import build, status


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one condition says: its status, a CamelCase reason for machines, a message for people.

    ``passing`` says that time may mend it, so that it is tried again without anything having changed.
    """

    truth: status.Truth
    reason: str
    message: str = ""
    passing: bool = False

    @property
    def holds(self) -> bool:
        """Tell whether the condition is True."""
        return self.truth == "True"


# Built


def built(image: str) -> Verdict:
    """Say that the source has become ``image``."""
    return Verdict("True", "Built", f"image {image}")


def image_provided() -> Verdict:
    """Say that there is nothing to build."""
    return Verdict("True", "ImageProvided", "spec.source.image is run as it is; nothing is built")


def building(state: build.BuildState) -> Verdict:
    """Say that the builder is at work."""
    return Verdict("Unknown", "Building", f"the build is {state}")


def build_failed(reason: str, message: str) -> Verdict:
    """Say that the source cannot become an image until it changes."""
    return Verdict("False", reason, message or "the build failed; its last lines are in status.build.log")


def build_delayed(reason: str, message: str) -> Verdict:
    """Say that the build could not be done for now and is tried again."""
    return Verdict("Unknown", reason, f"{message.rstrip('. ')}; trying again by itself", passing=True)


def spec_refused(error: errors.MayflyError) -> Verdict:
    """Say that the manifest breaks a rule which the API server could not check."""
    return Verdict("False", error.reason, str(error))


def still_serving(verdict: Verdict, revision: str | None) -> Verdict:
    """Return ``verdict`` with the reassurance that an older revision serves meanwhile, if one does."""
    if verdict.holds or revision is None:
        return verdict
    return dataclasses.replace(verdict, message=f"{verdict.message} (revision {revision} keeps serving)")


# Deployed


def awaiting_build() -> Verdict:
    """Say that nothing can happen before there is an image."""
    return Verdict("Unknown", "AwaitingBuild", "waits for the build")


def deploying(message: str) -> Verdict:
    """Say that the newest revision is on its way."""
    return Verdict("Unknown", "Deploying", message)


def deployed(revision: str) -> Verdict:
    """Say that the newest revision's instances have started."""
    return Verdict("True", "Deployed", f"revision {revision} is ready")


def not_owned(name: str) -> Verdict:
    """Say that the name is taken by a Knative Service that is not ours."""
    return Verdict(
        "False",
        "NotOwned",
        f"a Knative Service {name!r} exists that this Function did not make; it is left alone."
        f" Delete it (kubectl delete ksvc {name}) or give the Function another name",
    )


def deploy_refused(error: errors.MayflyError) -> Verdict:
    """Say that the API server did not take the Knative Service."""
    return Verdict("False", error.reason, f"the Knative Service was refused: {error}")


def deploy_delayed(error: errors.MayflyError) -> Verdict:
    """Say that the API server, or an admission webhook behind it, could not take the Knative Service for now."""
    message = f"the Knative Service could not be applied: {str(error).rstrip('. ')}; trying again by itself"
    return Verdict("Unknown", error.reason, message, passing=True)


# Routed


def awaiting_revision() -> Verdict:
    """Say that there is nothing to route to yet."""
    return Verdict("Unknown", "AwaitingRevision", "waits for a revision that is ready")


def routing(message: str) -> Verdict:
    """Say that the route is being programmed."""
    return Verdict("Unknown", "Routing", message)


def routed(url: str) -> Verdict:
    """Say that the gateway serves the Function."""
    return Verdict("True", "Routed", f"served at {url}")


def no_gateway(ingress_class: str) -> Verdict:
    """Say that no gateway has taken up the Function's route."""
    return Verdict(
        "Unknown",
        "IngressNotConfigured",
        f"no gateway serves ingress class {ingress_class} yet: check that the gateway runs"
        " (kubectl -n mayfly-system get pods) and that the controller's ingress class is the gateway's",
    )


# Triggered


def no_triggers() -> Verdict:
    """Say that nothing but HTTP calls the Function."""
    return Verdict("True", "NoTriggers", "spec.triggers is empty")


def subscribed(events: int, schedules: int) -> Verdict:
    """Say that every trigger is in force, and how many there are of each kind."""
    counted = [_count(number, name) for number, name in ((events, "event"), (schedules, "schedule")) if number]
    return Verdict("True", "Subscribed", " and ".join(counted))


def triggers_refused(problems: Sequence[triggers.Problem], *, in_force: int) -> Verdict:
    """Say which triggers cannot be obeyed and why; the others are, and so is HTTP."""
    rest = f"; {_count(in_force, 'other trigger')} in force" if in_force else ""
    return Verdict("False", problems[0].reason, "; ".join(map(str, problems)) + rest)


def events_disabled() -> Verdict:
    """Say that nobody here takes events or minds schedules."""
    return Verdict(
        "False",
        "EventsDisabled",
        "nothing obeys spec.triggers: Mayfly was installed without events. Set events.enabled of its chart to true"
        " (helm upgrade), or remove the triggers",
    )


def triggers_unread() -> Verdict:
    """Say that the manifest breaks a rule elsewhere, so that its triggers are not in force."""
    return Verdict("Unknown", "InvalidSpec", "spec.triggers is not read before the rest of the manifest can be")


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
