"""From when on a new leader makes ticks."""

from __future__ import annotations

import datetime as dt

import pytest

from mayfly.eventing.clock import leading

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC).timestamp()


def make_lease(*, renewed=None, undone=None):
    annotations = {} if undone is None else {leading.UNDONE: undone}
    return {
        "metadata": {"annotations": annotations},
        "spec": {"holderIdentity": "x"} | ({"renewTime": renewed} if renewed else {}),
    }


@pytest.mark.parametrize(
    ("found", "seconds_ago"),
    [
        ({}, 0),
        (make_lease(), 0),
        (make_lease(renewed="2026-11-21T11:50:00.500000Z"), 629.5),
        (make_lease(renewed="2026-11-21T11:50:00Z", undone="2026-11-21T11:30:00Z"), 1801),
        (make_lease(renewed="2026-11-21T11:50:00Z", undone="2026-11-21T11:59:00Z"), 630),
        (make_lease(renewed="2026-11-21T12:00:20Z"), 10),
        (make_lease(renewed="2027-01-01T00:00:00Z"), 0),
        (make_lease(renewed="yesterday"), 0),
        (make_lease(renewed="2026-11-21T11:50:00Z", undone="long ago"), 630),
    ],
    ids=["no lease", "never renewed", "renewed", "undone", "undone later", "ahead", "far ahead", "nonsense", "odd"],
)
def test_the_start_is_a_little_before_the_last_renewal(found, seconds_ago):
    """Earlier when ticks were left undone, never later than now, and now when nobody led before."""
    assert leading.find_start(found, now=NOW) == NOW - seconds_ago
