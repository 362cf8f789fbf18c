"""Every tick of every schedule has its turn once, whatever happens to schedules, clocks and leaders."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mayfly.eventing import target
from mayfly.eventing.clock import agenda
from mayfly.events import schedule
from mayfly.model import trigger

BERLIN = "Europe/Berlin"
MAIL, STOCK = ("shop", "mail"), ("shop", "stock")


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def make_name(cron="*/10 * * * *", timezone="UTC", missed="skip", key="a", uid="u"):
    content = trigger.ScheduleTrigger(cron=cron, timezone=timezone, missed=missed)
    return uid, target.Ticker(key, schedule.parse_schedule(content))


def work(plan, now):
    """Do what is due at ``now`` as a leader does; return the ticks."""
    made = []
    for line in plan.take(now, limit=1000):
        due = line.decide(now)
        line.done = max(line.done, now)
        plan.put(line)
        if due.tick is not None:
            made.append(f"{line.key}@{due.tick:%d %H:%M}")
    return made


def follow(plan, until, late=0.05):
    """Do every tick as it comes, a little late; return them."""
    made = []
    while (next_at := plan.next_at()) is not None and next_at <= until:
        made += work(plan, next_at + late)
    return made


# Clocks went from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25, both at 01:00 UTC.
@pytest.mark.parametrize(
    ("cron", "start", "until", "wanted"),
    [
        ("30 2 * * *", "2026-03-28", "2026-03-30T12:00", ["28 01:30", "29 01:00", "30 00:30"]),
        ("0 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["29 01:00", "30 00:00"]),
        ("*/30 1-3 * * *", "2026-03-28T23:59", "2026-03-29T02:00", ["29 00:00", "29 00:30", "29 01:00", "29 01:30"]),
        ("30 2 * * *", "2026-10-24", "2026-10-26T12:00", ["24 00:30", "25 00:30", "26 01:30"]),
        ("0 * * * *", "2026-10-24T23:30", "2026-10-25T02:30", ["25 00:00", "25 01:00", "25 02:00"]),
        ("0 3 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["25 02:00", "26 02:00"]),
    ],
)
def test_changes_of_the_clock(cron, start, until, wanted):
    """A fixed time in the gap comes at its end, in the overlap once; every hour is every real hour."""
    plan = agenda.Agenda()
    plan.set(MAIL, {make_name(cron, BERLIN): at(start)})
    assert follow(plan, at(until)) == [f"u/a@{each}" for each in wanted]


@pytest.mark.parametrize(
    ("missed", "now", "wanted"),
    [
        ("skip", "2026-11-21T10:09:59", []),
        ("skip", "2026-11-21T10:10:00", ["u/a@21 10:10"]),
        ("skip", "2026-11-21T10:10:30", ["u/a@21 10:10"]),
        ("skip", "2026-11-21T10:10:31", []),
        ("skip", "2026-11-21T15:55", []),
        ("skip", "2026-11-21T16:00:10", ["u/a@21 16:00"]),
        ("once", "2026-11-21T10:10:31", ["u/a@21 10:10"]),
        ("once", "2026-11-21T15:55", ["u/a@21 15:50"]),
    ],
)
def test_missed_ticks_follow_the_policy(missed, now, wanted):
    """Skipped, or made up for by the latest one; after that nothing of them is due again."""
    plan = agenda.Agenda()
    plan.set(MAIL, {make_name(missed=missed): at("2026-11-21T10:00")})
    assert work(plan, at(now)) == wanted
    assert work(plan, at(now)) == []


@given(
    st.lists(st.integers(1, 3600), min_size=1, max_size=12),
    st.integers(0, 29),
    st.integers(0, 30),
    st.sampled_from(["skip", "once"]),
)
@example([271, 1], 29, 0, "skip")
def test_no_tick_is_lost_when_leaders_follow_each_other(reigns, pause, overlap, missed):
    """Within the grace every tick is made, whenever leaders change; those made twice have the same id."""
    start = now = at("2026-11-21T10:00")
    made, name = [], make_name("*/5 * * * *", missed=missed)
    renewed = now
    for seconds in reigns:
        plan = agenda.Agenda()
        plan.set(MAIL, {name: renewed - overlap})
        made += work(plan, now)
        now += seconds
        made += follow(plan, now, late=0)
        renewed = now
        now += pause
    whole = name[1].schedule.ticks(dt.datetime.fromtimestamp(start, dt.UTC), dt.datetime.fromtimestamp(now, dt.UTC))
    last = now - pause
    assert {f"u/a@{tick:%d %H:%M}" for tick in whole if tick.timestamp() <= last} <= set(made)


@pytest.mark.parametrize("offset", [-1e-3, 0.0, 1e-3])
def test_a_leader_that_changes_at_a_tick(offset):
    """The one before it had made it, or the one after does, or both: under one id."""
    tick, name = at("2026-11-21T10:10"), make_name()
    first, second = agenda.Agenda(), agenda.Agenda()
    first.set(MAIL, {name: tick - 60})
    second.set(MAIL, {name: tick + offset - 30})
    made = work(first, tick + offset) + work(second, tick + offset) + work(second, tick + 0.1)
    assert set(made) == {"u/a@21 10:10"}
    assert len(made) == (2 if offset >= 0 else 1)


def test_lines_come_by_their_instants():
    """The earliest first, no more than asked for, and again after they were put back."""
    plan = agenda.Agenda()
    plan.set(MAIL, {make_name("20 * * * *", key="late"): at("2026-11-21T10:00")})
    plan.set(STOCK, {make_name(f"{minute} * * * *", key=f"k{minute}"): at("2026-11-21T10:00") for minute in (15, 5)})
    assert len(plan) == 3
    assert plan.next_at() == at("2026-11-21T10:05")
    now = at("2026-11-21T10:30")
    (first,) = plan.take(now, limit=1)
    assert [line.key for line in plan.take(now, limit=9)] == ["u/k15", "u/late"]
    assert plan.next_at() is None
    plan.put(first)
    assert plan.take(at("2026-11-21T10:04"), limit=9) == []
    assert plan.take(now, limit=9) == [first]


def test_a_schedule_that_stays_keeps_what_it_has_done():
    """A Function that is written anew ticks on; a schedule that changed is another one, and one that went is gone."""
    plan = agenda.Agenda()
    same, old, new = make_name(key="same"), make_name("*/10 * * * *"), make_name("*/5 * * * *")
    plan.set(MAIL, {same: at("2026-11-21T10:00"), old: at("2026-11-21T10:00")})
    assert len(work(plan, at("2026-11-21T10:10"))) == 2
    plan.set(MAIL, {same: at("2026-11-21T09:00"), new: at("2026-11-21T10:12")})
    assert work(plan, at("2026-11-21T10:14")) == []
    assert follow(plan, at("2026-11-21T10:20")) == ["u/a@21 10:15", "u/same@21 10:20", "u/a@21 10:20"]
    plan.set(MAIL, {})
    assert (len(plan), plan.next_at()) == (0, None)


def test_a_line_that_is_dropped_while_it_is_worked_on_stays_away():
    plan = agenda.Agenda()
    plan.set(MAIL, {make_name(): at("2026-11-21T10:00")})
    (line,) = plan.take(at("2026-11-21T10:10"), limit=1)
    plan.set(MAIL, {})
    plan.put(line)
    assert plan.next_at() is None


def test_changes_leave_nothing_behind():
    """A thousand changes of one schedule that ticks once a year hold no more than a few lines."""
    plan = agenda.Agenda()
    for minute in range(1000):
        plan.set(MAIL, {make_name(f"{minute % 60} 0 1 1 *"): at("2026-11-21T10:00") + minute})
    assert len(plan) == 1
    assert len(plan._heap) < 100


def test_a_clock_that_was_set_back_makes_ticks_again():
    """They have the ids of before; a schedule does not wait until the wrong time comes round."""
    plan = agenda.Agenda()
    plan.set(MAIL, {make_name(): at("2026-11-21T10:00")})
    wrong = follow(plan, at("2026-11-21T12:00"))
    plan.rewind(at("2026-11-21T10:35"))
    right = follow(plan, at("2026-11-21T12:10"))
    assert right[0] == "u/a@21 10:40"
    assert set(right) - set(wrong) == {"u/a@21 12:10"}
