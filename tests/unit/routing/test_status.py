"""The status as Knative's Route controller reads it."""

from __future__ import annotations

import pytest

from mayfly.routing import status
from tests.unit.routing import objects, test_golden

NOW = "2026-01-02T00:00:00Z"


def make(finding: status.Finding, **before: object) -> dict[str, object]:
    obj = objects.ingress("hello")
    obj["status"] = before
    return status.make_status(obj, finding, place=test_golden.PLACE, now=NOW)


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        pytest.param(status.SERVING, ("True", "True", "True"), id="serving"),
        pytest.param(status.waiting("not yet"), ("Unknown", "True", "Unknown"), id="waiting"),
        pytest.param(status.Finding("HostTaken", "x", failed=True), ("True", "False", "False"), id="failed"),
    ],
)
def test_conditions(finding: status.Finding, expected: tuple[str, ...]) -> None:
    """Waiting shows as a load balancer that is not ready, failure as a network that is not configured."""
    made = make(finding)
    assert tuple(condition["status"] for condition in made["conditions"]) == expected
    assert [condition["type"] for condition in made["conditions"]] == list(status.TYPES)
    assert made["observedGeneration"] == 1
    assert made["privateLoadBalancer"] == {"ingress": [{"domainInternal": test_golden.PLACE.internal_host}]}


def test_times_stand_until_the_state_changes() -> None:
    """A condition keeps its time while its status does, so that an equal status is recognised."""
    before = make(status.SERVING)
    for condition in before["conditions"]:
        condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    obj = objects.ingress("hello")
    obj["status"] = before
    assert status.is_current(obj, status.make_status(obj, status.SERVING, place=test_golden.PLACE, now=NOW))
    waiting = status.make_status(obj, status.waiting("x"), place=test_golden.PLACE, now=NOW)
    assert [condition["lastTransitionTime"] for condition in waiting["conditions"]] == [
        NOW,
        "2026-01-01T00:00:00Z",
        NOW,
    ]
