"""Every tick comes once: over changes of the clock, restarts, outages, and whoever computes it."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.events import schedule
from mayfly.model import trigger

BERLIN = "Europe/Berlin"


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def make(cron, timezone="UTC", missed="skip"):
    return schedule.parse_schedule(trigger.ScheduleTrigger(cron=cron, timezone=timezone, missed=missed))


def texts(ticks):
    return [tick.strftime("%d %H:%M") for tick in ticks]


@pytest.mark.parametrize(
    ("cron", "after", "wanted"),
    [
        ("*/15 * * * *", "2026-11-21T10:00", "2026-11-21T10:15"),
        ("0 8 * * MON-FRI", "2026-11-20T08:00", "2026-11-23T08:00"),
        ("0 8 * * 1-5", "2026-11-20T07:59:59", "2026-11-20T08:00"),
        ("0 0 29 2 *", "2026-11-20T00:00", "2028-02-29T00:00"),
        ("0 0 L * *", "2026-11-20T00:00", "2026-11-30T00:00"),
        ("0 0 13 * FRI", "2026-11-21T00:00", "2026-11-27T00:00"),
        ("0 0 * * 7", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("0 0 * * MON#1", "2026-11-21T00:00", "2026-12-07T00:00"),
        ("  0  0 1\t1 * ", "2026-11-21T00:00", "2027-01-01T00:00"),
    ],
)
def test_the_next_tick(cron, after, wanted):
    assert make(cron).next_tick(at(after)) == at(wanted)


def test_time_zones():
    assert make("0 8 * * *", BERLIN).next_tick(at("2026-07-01T00:00")) == at("2026-07-01T06:00")
    assert make("0 8 * * *", BERLIN).next_tick(at("2026-12-01T00:00")) == at("2026-12-01T07:00")
    assert make("0 8 * * *", "Asia/Kathmandu").next_tick(at("2026-12-01T00:00")) == at("2026-12-01T02:15")


# Clocks went from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25, both at 01:00 UTC.
@pytest.mark.parametrize(
    ("cron", "start", "wanted"),
    [
        ("30 2 * * *", "2026-03-28", ["28 01:30", "29 01:00", "30 00:30"]),
        ("15,45 2 * * *", "2026-03-28T12:00", ["29 01:00", "30 00:15", "30 00:45"]),
        ("0 3 * * *", "2026-03-28T12:00", ["29 01:00", "30 01:00", "31 01:00"]),
        ("0 * * * *", "2026-03-28T23:30", ["29 00:00", "29 01:00", "29 02:00"]),
        ("30 2 * * *", "2026-10-24", ["24 00:30", "25 00:30", "26 01:30"]),
        ("0 * * * *", "2026-10-24T23:30", ["25 00:00", "25 01:00", "25 02:00"]),
        ("*/30 2 * * *", "2026-10-24T12:00", ["25 00:00", "25 00:30", "25 01:00"]),
    ],
)
def test_changes_of_the_clock(cron, start, wanted):
    """A fixed time in the gap comes at its end, in the overlap once; every hour is every real hour."""
    assert texts(itertools.islice(make(cron, BERLIN).ticks(at(start)), len(wanted))) == wanted


CRONS = st.sampled_from(
    [
        "30 2 * * *",
        "15,45 2 * * *",
        "*/20 * * * *",
        "0 * * * *",
        "0 1-3 * * *",
        "*/30 2 * * *",
        "5 2-3 * * SUN",
        "59 1 * * *",
    ]
)
ZONES = st.sampled_from(
    [BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "UTC"]
)
INSTANTS = st.integers(0, 400 * 24 * 60).map(lambda minutes: at("2026-01-01") + dt.timedelta(minutes=minutes))


@given(CRONS, ZONES, INSTANTS)
def test_ticks_are_the_same_wherever_one_starts(cron, zone, start):
    """A scheduler that is restarted at any instant finds the ticks that follow, and none again."""
    plan = make(cron, zone)
    whole = list(itertools.islice(plan.ticks(start), 6))
    assert whole == sorted(set(whole))
    assert whole[0] > start
    step, found = start, []
    for _ in whole:
        step = plan.next_tick(step)
        found.append(step)
    assert found == whole


@pytest.mark.parametrize("change", ["2026-03-29T00:00", "2026-10-25T00:00"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "15,45 2 * * *", "*/7 * * * *", "*/30 2 * * *", "0 3 * * *"])
def test_a_change_of_the_clock_makes_no_tick_twice(cron, change):
    """Asked anew at every minute, the scheduler finds each tick once."""
    plan = make(cron, BERLIN)
    start = at(change) - dt.timedelta(hours=1)
    whole = set(plan.ticks(start, start + dt.timedelta(hours=5)))
    found = [plan.next_tick(start + dt.timedelta(minutes=minute)) for minute in range(300)]
    assert {tick for tick in found if tick <= start + dt.timedelta(hours=5)} == whole


@pytest.mark.parametrize(
    ("missed", "last", "now", "tick", "count"),
    [
        ("skip", "2026-11-21T10:00", "2026-11-21T10:59", None, 0),
        ("skip", "2026-11-21T10:00", "2026-11-21T11:00", "2026-11-21T11:00", 0),
        ("skip", "2026-11-21T10:00", "2026-11-21T11:00:30", "2026-11-21T11:00", 0),
        ("skip", "2026-11-21T10:00", "2026-11-21T11:00:31", None, 1),
        ("skip", "2026-11-21T10:00", "2026-11-21T13:00:01", "2026-11-21T13:00", 2),
        ("once", "2026-11-21T10:00", "2026-11-21T10:59", None, 0),
        ("once", "2026-11-21T10:00", "2026-11-21T11:30", "2026-11-21T11:00", 0),
        ("once", "2026-11-21T10:00", "2026-11-21T13:30", "2026-11-21T13:00", 2),
        ("once", "2026-11-21T11:00", "2026-11-21T11:00:20", None, 0),
        ("once", "2025-01-01T00:00", "2026-11-21T13:30", "2026-11-21T13:00", 23),
        ("skip", "2026-11-21T13:00", "2026-11-21T12:00", None, 0),
    ],
)
def test_missed_ticks_follow_the_policy(missed, last, now, tick, count):
    due = schedule.find_due(make("0 * * * *", missed=missed), last=at(last), now=at(now))
    assert due == schedule.Due(tick and at(tick), count)


@pytest.mark.parametrize(
    ("cron", "tick"), [("0 0 1 * *", "2026-11-01"), ("0 0 1 1 *", "2026-01-01"), ("0 0 29 2 *", "2024-02-29")]
)
def test_rare_ticks_are_found_after_long_outages(cron, tick):
    due = schedule.find_due(make(cron, missed="once"), last=at("2024-01-01T00:00"), now=at("2026-11-21T00:00"))
    assert due.tick == at(tick)


def test_a_tick_has_one_id():
    """Whoever computes it, from wherever, at whatever instant: the store sees the same event."""
    tick = make("0 8 * * *", BERLIN).next_tick(at("2026-11-21T00:00"))
    berlin = tick.astimezone(dt.timezone(dt.timedelta(hours=1)))
    assert (
        schedule.make_tick_id("uid/a", tick) == schedule.make_tick_id("uid/a", berlin) == "uid/a@2026-11-21T07:00:00Z"
    )
    made = schedule.make_tick_event("uid/a", tick, source="/apis/mayfly.dev/functions/shop/report", subject="a")
    assert made.attributes == {
        "specversion": "1.0",
        "id": "uid/a@2026-11-21T07:00:00Z",
        "source": "/apis/mayfly.dev/functions/shop/report",
        "type": "dev.mayfly.schedule",
        "time": "2026-11-21T07:00:00Z",
        "subject": "a",
    }


@pytest.mark.parametrize(
    ("cron", "timezone", "words"),
    [
        ("* * * *", "UTC", "has 4 fields; write five"),
        ("0 * * * * *", "UTC", "has 6 fields; write five"),
        ("", "UTC", "has 0 fields"),
        ("@daily", "UTC", "has 1 fields"),
        ("60 * * * *", "UTC", "Bad minute"),
        ("* 24 * * *", "UTC", "Bad hour"),
        ("* * 0 * *", "UTC", "Bad day-of-month"),
        ("* * * 13 *", "UTC", "Bad month"),
        ("* * * * 8", "UTC", "Bad day-of-week"),
        ("*/0 * * * *", "UTC", "Bad minute"),
        ("5-1 * * * *", "UTC", "Bad minute"),
        ("a * * * *", "UTC", "Bad minute"),
        ("٣ * * * *", "UTC", "Bad minute"),
        ("* * L,/2 * *", "UTC", "schedule.cron"),
        ("* * * * L", "UTC", "Bad day-of-week"),
        ("* * * * 1#6", "UTC", "Bad day-of-week"),
        ("* * * * 1#1/2", "UTC", "schedule.cron"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("* * * * *", "Mars/Olympus", "'Mars/Olympus' is not in the IANA database"),
        ("* * * * *", "Europe", "is not in the IANA database"),
    ],
)
def test_what_means_nothing_is_refused_by_name(cron, timezone, words):
    with pytest.raises(errors.InvalidSchedule) as caught:
        make(cron, timezone)
    assert words in str(caught.value)


@given(st.lists(st.sampled_from([*"0123456789*/-,L#W ", "MON", "JAN", "FRI"]), max_size=14).map("".join))
def test_no_expression_raises_anything_else(fields):
    with contextlib.suppress(errors.InvalidSchedule):
        make(f"{fields} 0 1 1 *" if " " not in fields else f"0 0 {fields}")
