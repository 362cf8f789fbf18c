"""What a Function's triggers mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from mayfly.events import event, filters, triggers
from mayfly.model import trigger
from tests import bad_triggers


def read(*contents):
    return triggers.read_triggers(tuple(trigger.Trigger.model_validate(content) for content in contents))


def said(*contents):
    return [str(problem) for problem in read(*contents).problems]


NIGHTLY = bad_triggers.cron("0 3 * * *")
ORDERS = {"event": {"type": "order.created", "source": "/shop", "filters": [{"exact": {"tenant": "a"}}]}}


@pytest.mark.parametrize(("content", "reason", "words"), bad_triggers.BAD.values(), ids=bad_triggers.BAD)
def test_a_bad_trigger_is_told_by_place_reason_and_words(content, reason, words):
    """The place is the manifest's, also where a type or attributes stand beside the filters."""
    (problem,) = read(ORDERS, content, NIGHTLY).problems
    assert (problem.place, problem.reason) == ("spec.triggers[1]", reason)
    assert words in problem.detail


@pytest.mark.parametrize("content", [content for content, _, _ in bad_triggers.BAD.values()], ids=bad_triggers.BAD)
def test_one_bad_trigger_does_not_stop_the_others(content):
    found = read(content, ORDERS, content, NIGHTLY)
    assert [problem.place for problem in found.problems] == ["spec.triggers[0]", "spec.triggers[2]"]
    assert (len(found.filters), [ticker.schedule.cron for ticker in found.tickers]) == (1, ["0 3 * * *"])


def test_nothing_means_nothing():
    assert read() == triggers.Triggers()


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [({"tenant": "a"}, True), ({"tenant": "b"}, False), ({"tenant": "a", "type": "x"}, False), ({}, False)],
    ids=str,
)
def test_everything_of_an_event_trigger_holds(attributes, wanted):
    """Type, source, subject, attributes and each filter."""
    (found,) = read(ORDERS).filters
    one = event.make_event(
        {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created", **attributes},
    )
    assert found.matches(one) is wanted
    assert found.types == {"order.created"}


def test_an_event_trigger_means_what_the_subscriptions_api_says():
    """The same filter as of the list of filters that the trigger stands for."""
    content = trigger.Trigger.model_validate(ORDERS)
    (found,) = triggers.read_triggers([content]).filters
    assert found == filters.parse_filters(content.event.to_filters())


def test_two_schedules_of_one_name_would_be_one():
    """The second would never tick: its ticks had the ids of the first one's."""
    named = {"name": "nightly"} | NIGHTLY
    assert said(named, named | bad_triggers.cron("0 4 * * *")) == [
        "spec.triggers[1]: two schedules are called 'nightly'; give each a name of its own"
    ]
    assert said(ORDERS, NIGHTLY, NIGHTLY) == [
        "spec.triggers[2]: the same schedule as spec.triggers[1]; remove one of them"
    ]
    assert said(named, NIGHTLY, bad_triggers.cron("0 4 * * *")) == []


def test_the_triggers_of_one_function_cost_no_more_than_so_much():
    """Those before the bound are in force, those behind it are not."""
    long = bad_triggers.sql("type = 'a' OR " * 290 + "FALSE")
    found = read(*[long] * 20)
    fit = triggers.MAX_CHARACTERS // len(trigger.Trigger.model_validate(long).model_dump_json(exclude_none=True))
    assert (len(found.filters), len(found.problems)) == (fit, 20 - fit)
    assert found.problems[0].place == f"spec.triggers[{fit}]"
    assert "at most 65536 are read" in found.problems[0].detail
