"""Schedules of others as five fields that the platform's own parser takes."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly.events import schedule
from mayfly.migrate import cron
from mayfly.model import trigger

AWS = {
    "cron(0 10 * * ? *)": "0 10 * * *",
    "cron(15 12 ? * MON-FRI *)": "15 12 * * MON-FRI",
    "cron(0/15 * * * ? *)": "0-59/15 * * * *",
    "cron(0 18 ? * 2-6 *)": "0 18 * * 1-5",
    "cron(0 18 ? * 1,7 *)": "0 18 * * 0,6",
    "cron(0 9 ? * 2#1 *)": "0 9 * * 1#1",
    "cron(0 9 ? * 6L *)": "0 9 * * 5L",
    "cron(0 8 1 1/3 ? *)": "0 8 1 1-12/3 *",
    "cron(0 8 L * ? *)": "0 8 L * *",
    "rate(1 minute)": "* * * * *",
    "rate(5 minutes)": "*/5 * * * *",
    "rate(1 hour)": "0 * * * *",
    "rate(60 minutes)": "0 * * * *",
    "rate(12 hours)": "0 */12 * * *",
    "rate(1 day)": "0 0 * * *",
    " rate( 2  hours ) ": "0 */2 * * *",
}


@pytest.mark.parametrize(("theirs", "ours"), AWS.items(), ids=AWS)
def test_aws(theirs, ours):
    found = cron.convert_aws(theirs)
    assert found.cron == ours
    assert found.how, "another notation is a change, and said"


NCRONTAB = {
    "0 */5 * * * *": "*/5 * * * *",
    "0 30 9 * * 1-5": "30 9 * * 1-5",
    "0 0 9-17 * * MON-FRI": "0 9-17 * * MON-FRI",
    "*/5 * * * *": "*/5 * * * *",
    "00:30:00": "*/30 * * * *",
    "1.00:00:00": "0 0 * * *",
    "15 0 8 * * *": "0 8 * * *",
}


@pytest.mark.parametrize(("theirs", "ours"), NCRONTAB.items(), ids=NCRONTAB)
def test_ncrontab(theirs, ours):
    assert cron.convert_ncrontab(theirs).cron == ours


GO = {
    "*/10 * * * *": ("*/10 * * * *", None),
    "0 30 7 * * *": ("30 7 * * *", None),
    "@hourly": ("0 * * * *", None),
    "@every 15m": ("*/15 * * * *", None),
    "@every 1h0m0s": ("0 * * * *", None),
    "TZ=Asia/Tokyo 0 6 * * ?": ("0 6 * * *", "Asia/Tokyo"),
    "CRON_TZ=Europe/Berlin @daily": ("0 0 * * *", "Europe/Berlin"),
}


@pytest.mark.parametrize(("theirs", "ours"), GO.items(), ids=GO)
def test_the_go_library(theirs, ours):
    found = cron.convert_go(theirs)
    assert (found.cron, found.timezone) == ours


def test_exactly_the_same_is_no_change():
    assert cron.convert_go("*/10 * * * *").how == ""
    assert cron.convert_ncrontab("15 0 8 * * *").how == "runs at second 0, not 15"


BAD = [
    (cron.convert_aws, "cron(0 10 * * ? 2027)", "year"),
    (cron.convert_aws, "cron(0 10 15W * ? *)", "15W"),
    (cron.convert_aws, "cron(0 10 * *)", "six fields"),
    (cron.convert_aws, "rate(7 minutes)", "every 420 seconds"),
    (cron.convert_aws, "rate(5 hours)", "every 18000 seconds"),
    (cron.convert_aws, "rate(2 days)", "every 172800 seconds"),
    (cron.convert_aws, "rate(0 minutes)", "every 0 seconds"),
    (cron.convert_aws, "at(2027-01-01T00:00:00)", "neither rate"),
    (cron.convert_aws, "cron(0 0 30 2 ? *)", "day-of-month"),
    (cron.convert_ncrontab, "*/10 * * * * *", "seconds"),
    (cron.convert_ncrontab, "0 0 6 1 * MON", "both to hold"),
    (cron.convert_ncrontab, "%SCHEDULE%", "app setting"),
    (cron.convert_ncrontab, "00:00:10", "every 10 seconds"),
    (cron.convert_ncrontab, "0 0 25 * * *", "write five fields"),
    (cron.convert_go, "@fortnightly", "is none of"),
    (cron.convert_go, "@every soon", "is not a duration"),
    (cron.convert_go, "@every 1500ms", "every 1.5 seconds"),
    (cron.convert_go, "TZ=Mars/Base 0 6 * * *", "Mars/Base"),
    (cron.convert_go, "TZ=../../etc/passwd 0 6 * * *", "time zones"),
    (cron.convert_go, "* * *", "3 fields"),
    (cron.convert_go, "", "0 fields"),
    (cron.convert_go, "* " * 4000, "at most 256"),
]


@pytest.mark.parametrize(("convert", "theirs", "says"), BAD, ids=[case[1][:30] or "empty" for case in BAD])
def test_what_five_fields_cannot_say(convert, theirs, says):
    with pytest.raises(cron.NotConvertible) as caught:
        convert(theirs)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


def test_rates_come_as_often_as_they_say():
    """Two thousand ticks of each rate that is taken are evenly apart."""
    for number, unit, seconds in [(15, "minutes", 900), (4, "hours", 14400), (1, "day", 86400)]:
        expression = cron.convert_aws(f"rate({number} {unit})").cron
        parsed = schedule.parse_schedule(trigger.ScheduleTrigger(cron=expression))
        ticks = list(itertools.islice(parsed.ticks(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), 2000))
        assert {(b - a).total_seconds() for a, b in itertools.pairwise(ticks)} == {seconds}


FIELDS = st.lists(st.text("0123456789*/-,?LW#MONFRI", min_size=1, max_size=6), min_size=1, max_size=7)


@given(FIELDS.map(" ".join) | st.text(max_size=40))
def test_any_expression_is_converted_to_one_that_runs_or_refused(expression):
    for convert, whole in (
        (cron.convert_aws, f"cron({expression})"),
        (cron.convert_ncrontab, expression),
        (cron.convert_go, expression),
        (cron.convert_interval, expression),
    ):
        try:
            found = convert(whole)
        except cron.NotConvertible:
            continue
        content = {"cron": found.cron} | ({"timezone": found.timezone} if found.timezone else {})
        schedule.parse_schedule(trigger.ScheduleTrigger.model_validate(content))
