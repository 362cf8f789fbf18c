"""Write a KIngress's status as Knative reads it. Pure.

Conditions and their meaning: ``knative.dev/networking/pkg/apis/networking/v1alpha1/ingress_lifecycle.go``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mayfly.model import exposure
from mayfly.routing import edge

TYPES = ("LoadBalancerReady", "NetworkConfigured", "Ready")
"""In the order Knative writes them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Say how far an ingress is: ``reason`` is empty when it serves, ``failed`` when waiting will not mend it."""

    reason: str = ""
    message: str = ""
    failed: bool = False


SERVING = Finding()


PROGRAMMING = exposure.PROGRAMMING


def waiting(message: str) -> Finding:
    """Return the finding that the data plane does not serve this version yet."""
    return Finding(PROGRAMMING, message)


def make_status(
    obj: Mapping[str, Any], finding: Finding, *, place: edge.Edge, now: str, served: exposure.Served | None = None
) -> dict[str, Any]:
    """Return the whole status of the ingress ``obj``; ``now`` (RFC 3339) marks the conditions that change.

    A failure shows in ``NetworkConfigured``, waiting in ``LoadBalancerReady``. ``served`` says what became of the
    Function's ``spec.http``; it is left out when there is nothing to say. Where we relay to another gateway, that is
    all: the conditions are its own.
    """
    told = {"annotations": {exposure.SERVED_ANNOTATION: served.to_json()}} if served else {}
    if place.relays:
        return told
    before = obj.get("status") or {}
    known = {condition["type"]: condition for condition in before.get("conditions") or ()}
    states = {
        "LoadBalancerReady": SERVING if finding.failed else finding,
        "NetworkConfigured": finding if finding.failed else SERVING,
        "Ready": finding,
    }
    return {
        "observedGeneration": obj["metadata"].get("generation", 0),
        "conditions": [_condition(name, states[name], known.get(name), now) for name in TYPES],
        "publicLoadBalancer": {"ingress": [{"domainInternal": place.public_host}]},
        "privateLoadBalancer": {"ingress": [{"domainInternal": place.internal_host}]},
        **told,
    }


def is_current(obj: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Say whether ``obj`` already has this status."""
    before = obj.get("status") or {}
    return told_served(before) == told_served(status) and is_serving(obj, status)


def is_serving(obj: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Say whether ``obj`` already has this status, whatever it says of the exposure."""
    before = obj.get("status") or {}
    return all(before.get(name) == value for name, value in status.items() if name != "annotations")


def told_served(status: Mapping[str, Any]) -> str | None:
    """Return what the status of an ingress says of the exposure, ``None`` when nothing."""
    text: str | None = (status.get("annotations") or {}).get(exposure.SERVED_ANNOTATION)
    return text


def _condition(name: str, finding: Finding, before: Mapping[str, Any] | None, now: str) -> dict[str, Any]:
    value = "True" if not finding.reason else "False" if finding.failed else "Unknown"
    since = before.get("lastTransitionTime", now) if before is not None and before.get("status") == value else now
    condition = {"type": name, "status": value, "lastTransitionTime": since}
    if finding.reason:
        condition |= {"reason": finding.reason, "message": finding.message}
    return condition
