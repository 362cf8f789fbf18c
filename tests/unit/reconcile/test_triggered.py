"""What condition Triggered says."""

from __future__ import annotations

import pytest

from mayfly.model import function
from mayfly.reconcile import triggered
from tests import bad_triggers

EVENT = {"event": {"type": "order.created"}}
NIGHTLY = bad_triggers.cron("0 3 * * *")
BAD = bad_triggers.sql("a =")
WORDS = "event.filters[0].sql: sql, character 3: the end stands where an attribute, a value, a function or '(' belongs"

ZONE = "schedule.timezone 'Mars' is not in the IANA database; write UTC or Europe/Berlin"


def judge(*triggers, takes_events=True):
    spec = function.FunctionSpec(source=function.Source(), triggers=triggers)
    found = triggered.judge_triggered(spec, takes_events=takes_events)
    return found.verdict.truth, found.verdict.reason, found.verdict.message, found.in_force


SAID = {
    "none": ((), ("True", "NoTriggers", "spec.triggers is empty", 0)),
    "one event": ((EVENT,), ("True", "Subscribed", "1 event", 1)),
    "some of each": ((EVENT, NIGHTLY, EVENT), ("True", "Subscribed", "2 events and 1 schedule", 3)),
    "a bad one": ((BAD,), ("False", "InvalidFilter", f"spec.triggers[0]: {WORDS}", 0)),
    "a bad one beside a good one": (
        (EVENT, BAD),
        ("False", "InvalidFilter", f"spec.triggers[1]: {WORDS}; 1 other trigger in force", 1),
    ),
    "two bad ones": (
        (NIGHTLY, {"name": "b", "schedule": {"cron": "0 3 * * *", "timezone": "Mars"}}, BAD, EVENT),
        (
            "False",
            "InvalidSchedule",
            f"spec.triggers[1]: {ZONE}; spec.triggers[2]: {WORDS}; 2 other triggers in force",
            2,
        ),
    ),
}


@pytest.mark.parametrize(("triggers", "said"), SAID.values(), ids=SAID)
def test_what_is_said_of_triggers(triggers, said):
    assert judge(*triggers) == said


def test_without_events_it_says_what_to_set():
    """Whoever has no triggers does not mind."""
    truth, reason, message, in_force = judge(EVENT, takes_events=False)
    assert (truth, reason, in_force) == ("False", "EventsDisabled", 0)
    assert "events.enabled" in message
    assert judge(takes_events=False) == SAID["none"][1]


def test_a_spec_that_cannot_be_read_has_no_triggers_in_force():
    """Nobody knows; what is wrong stands in condition Built."""
    found = triggered.judge_triggered(None, takes_events=True)
    assert (found.verdict.truth, found.verdict.reason, found.in_force) == ("Unknown", "InvalidSpec", 0)
