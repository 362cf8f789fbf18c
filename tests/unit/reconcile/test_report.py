"""The status that is written and the Events that are told."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from mayfly.model import status
from mayfly.reconcile import report, verdicts

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = report.Verdicts(verdicts.built("i"), verdicts.deployed("r"), verdicts.routed("http://x"), verdicts.no_triggers())
DISABLED = verdicts.events_disabled()
CRASHED = verdicts.Verdict("False", "CrashedAtStart", "text")


def say(**changed):
    """Return what the steps say: all good but for ``changed``."""
    return dataclasses.replace(GOOD, **changed)


def make(before=None, said=GOOD, *, generation=1, now=NOW):
    return report.make_status(before or status.FunctionStatus(), said, generation=generation, now=now)


def ready(made):
    return made.get_condition(status.ConditionType.READY)


def test_ready_is_the_sum():
    """All of them True is Ready, in the order in which they come true."""
    made = make()
    assert ready(made).status == "True"
    assert [condition.type for condition in made.conditions] == ["Built", "Deployed", "Routed", "Triggered", "Ready"]
    assert {condition.observed_generation for condition in made.conditions} == {1}


@pytest.mark.parametrize(
    ("said", "truth", "reason"),
    [
        (say(built=verdicts.building("running")), "Unknown", "Building"),
        (say(deployed=CRASHED, routed=verdicts.awaiting_revision()), "False", "CrashedAtStart"),
        (say(routed=verdicts.no_gateway("c")), "Unknown", "IngressNotConfigured"),
        (say(built=verdicts.building("running"), deployed=CRASHED), "Unknown", "Building"),
        (say(triggered=DISABLED), "False", "EventsDisabled"),
        (say(routed=verdicts.no_gateway("c"), triggered=DISABLED), "Unknown", "IngressNotConfigured"),
    ],
)
def test_the_first_step_that_lacks_speaks_for_ready(said, truth, reason):
    """Its reason and its message."""
    assert (ready(make(said=said)).status, ready(make(said=said)).reason) == (truth, reason)


def test_time_moves_only_with_the_status():
    """A new reason or message for the same status is no transition."""
    first = make(said=say(built=verdicts.building("queued")))
    later = NOW + timedelta(minutes=1)
    second = make(first, say(built=verdicts.building("running")), now=later)
    third = make(second, now=later)
    built = [made.get_condition(status.ConditionType.BUILT).last_transition_time for made in (first, second, third)]
    assert built == ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z"]


def test_the_same_again_is_the_same_status():
    """However much time has passed: this is what keeps an idle controller from writing."""
    first = make()
    read_back = status.FunctionStatus.model_validate(first.to_object())
    assert make(read_back, now=NOW + timedelta(days=1)).to_object() == first.to_object()


def test_a_new_generation_is_observed():
    """`kubectl wait` compares it."""
    made = make(make(), generation=2)
    assert made.observed_generation == 2
    assert {condition.observed_generation for condition in made.conditions} == {2}


def test_a_message_is_bounded():
    """An object must not grow with a traceback."""
    long = verdicts.Verdict("False", "CrashedAtStart", "x" * 100_000)
    made = make(said=say(deployed=long))
    assert len(ready(made).message) == report.MAX_MESSAGE


def told(before, after):
    return [(event.reason, event.warning) for event in report.plan_events(before, after)]


def test_events_follow_transitions():
    """One each for building, built, deployed, ready; none when nothing changed."""
    nothing = status.FunctionStatus()
    waits = {"deployed": verdicts.awaiting_build(), "routed": verdicts.awaiting_revision()}
    building = make(nothing, say(built=verdicts.building("queued"), **waits))
    running = make(building, say(built=verdicts.building("running"), **waits))
    built = make(running, say(deployed=verdicts.deploying("r"), routed=verdicts.awaiting_revision()))
    done = make(built)
    assert told(nothing, building) == [("Building", False)]
    assert told(building, running) == []
    assert told(running, built) == [("Built", False)]
    assert told(built, done) == [("Deployed", False), ("Ready", False)]
    assert told(done, done) == []


def test_a_failure_is_one_warning():
    """Ready's reason is the failing step's: telling it twice would tell nothing more."""
    failed = make(make(), say(deployed=CRASHED))
    assert told(make(), failed) == [("CrashedAtStart", True)]
    assert told(failed, make(failed)) == [("Deployed", False), ("Ready", False)]


def test_a_builder_that_is_away_is_a_warning():
    """Somebody may have to look at it."""
    away = say(built=verdicts.build_delayed("BuilderUnavailable", "no answer"))
    assert told(make(), make(make(), away)) == [("BuilderUnavailable", True)]


def test_triggers_are_told_when_there_are_some():
    """That there are none is no news; what is wrong with them is a warning."""
    some = make(make(), say(triggered=verdicts.subscribed(1, 0)))
    assert told(status.FunctionStatus(), make())[-1] == ("Ready", False)
    assert told(make(), some) == [("Subscribed", False)]
    assert told(some, make(some)) == []
    assert told(some, make(some, say(triggered=DISABLED))) == [("EventsDisabled", True)]


def test_a_build_that_nobody_saw_running_is_told():
    """Condition Built was True before and is True after: another image all the same."""

    def built(request):
        record = status.BuildRecord(request=request, state="succeeded")
        return make(status.FunctionStatus(build=record, image=f"image-{request}"))

    assert told(built("1"), built("1")) == []
    (event,) = report.plan_events(built("1"), built("2"))
    assert (event.reason, event.message, event.warning) == ("Built", "image image-2", False)
