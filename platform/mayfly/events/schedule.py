"""When a schedule makes an event: ticks of a cron expression in a time zone.

``cronsim`` knows the expressions and treats changes of the clock as Debian's cron does
(https://github.com/cuu508/cronsim): a tick at a fixed time in the hour that is left out comes at its end, in the hour
that comes twice it comes once; expressions with ``*`` in minute or hour follow real time. Here it is added that no
tick comes twice, wherever one starts to look, and that a tick has an id which depends on nothing but its trigger and
its instant: two schedulers, or one that was restarted, make the same event, and the store takes it once.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

import cronsim

from mayfly import errors
from mayfly.events import event, rules
from mayfly.model import trigger

EVENT_TYPE = "dev.mayfly.schedule"
GRACE = dt.timedelta(seconds=30)
"""A tick found this late is still on time; later it is missed."""
_FIELDS = 5
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_WINDOWS = (dt.timedelta(days=1), dt.timedelta(days=40), dt.timedelta(days=400))
"""How far back the latest tick is looked for, step by step: most schedules have one within a day."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that was found sound, its time zone, and what becomes of missed ticks."""

    cron: str
    timezone: zoneinfo.ZoneInfo
    missed: trigger.Missed = trigger.Missed.SKIP

    def next_tick(self, after: dt.datetime) -> dt.datetime | None:
        """Return the first instant later than ``after`` (aware), in UTC; ``None`` when none comes within 50 years."""
        return next(self.ticks(after), None)

    def ticks(self, after: dt.datetime, until: dt.datetime | None = None) -> Iterator[dt.datetime]:
        """Yield the instants later than ``after`` and not later than ``until``, in UTC, each once and in order."""
        last = after.astimezone(dt.UTC)
        for local in cronsim.CronSim(self.cron, after.astimezone(self.timezone)):
            tick = local.astimezone(dt.UTC)
            if until is not None and tick > until:
                return
            # In the hour that comes twice the clock can show again what it showed before.
            if tick > last:
                yield tick
                last = tick


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done at an instant: ``tick`` to run, ``None`` for nothing; how many were ``missed`` at least."""

    tick: dt.datetime | None
    missed: int = 0


def parse_schedule(content: trigger.ScheduleTrigger) -> Schedule:
    """Return the schedule that a trigger describes.

    Raises:
        InvalidSchedule: the expression or the time zone means nothing, or never comes to pass.
    """
    expression = " ".join(content.cron.split())
    if len(expression.split()) != _FIELDS:
        raise errors.InvalidSchedule(
            f"schedule.cron {rules.cut(content.cron)} has {len(expression.split())} fields; write five: minute, hour,"
            " day of month, month, day of week, such as 0 8 * * MON-FRI"
        )
    schedule = Schedule(expression, _find_zone(content.timezone), content.missed)
    try:
        first = schedule.next_tick(_EPOCH)
    # What is neither a number nor a word of its own, such as a step of L, comes up as whatever it breaks.
    except (cronsim.CronSimError, AssertionError, TypeError, ValueError) as error:
        raise errors.InvalidSchedule(
            f"schedule.cron {rules.cut(content.cron)}: {str(error) or 'not understood'}; fields are minute 0-59, hour"
            " 0-23, day of month 1-31, month 1-12, day of week 0-7"
        ) from error
    if first is None:
        raise errors.InvalidSchedule(f"schedule.cron {rules.cut(content.cron)} never comes to pass")
    return schedule


def find_due(schedule: Schedule, *, last: dt.datetime, now: dt.datetime) -> Due:
    """Return what is to be done ``now``, when ``last`` is the instant up to which all was done.

    At most one tick is run: the latest one. If it is on time, it runs; if it is late, it runs under the policy
    ``once`` and is missed under ``skip``. All earlier ones are missed. The caller then sets ``last`` to ``now``
    (never back), and a tick with an id that the store knows is not taken again.
    """
    ticks: list[dt.datetime] = []
    for window in _WINDOWS:
        if now - window > last:
            ticks = list(schedule.ticks(now - window, now))
            if ticks:
                break
    else:
        ticks = list(schedule.ticks(last, now))
    if not ticks:
        return Due(None)
    latest = ticks[-1]
    if schedule.missed is trigger.Missed.ONCE or now - latest <= GRACE:
        return Due(latest, len(ticks) - 1)
    return Due(None, len(ticks))


def make_tick_id(key: str, tick: dt.datetime) -> str:
    """Return the id of the ``tick`` of the trigger that ``key`` names; the same wherever it is computed.

    >>> make_tick_id("3f2c/nightly", dt.datetime(2026, 11, 21, 10, tzinfo=dt.UTC))
    '3f2c/nightly@2026-11-21T10:00:00Z'
    """
    return f"{key}@{_format(tick)}"


def make_tick_event(key: str, tick: dt.datetime, *, source: str, subject: str) -> event.Event:
    """Return the event of a ``tick``: its time is the tick's, however late it is made.

    ``key`` names the trigger uniquely and for good (the Function's uid and ``Trigger.key``); ``source`` is the
    Function's URI reference, ``subject`` the trigger's name.

    Raises:
        InvalidEvent: a text breaks a rule of CloudEvents.
    """
    attributes = {
        "specversion": "1.0",
        "id": make_tick_id(key, tick),
        "source": source,
        "type": EVENT_TYPE,
        "time": _format(tick),
        "subject": subject,
    }
    return event.make_event(attributes)


def _find_zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise errors.InvalidSchedule(
            f"schedule.timezone {rules.cut(name)} is not in the IANA database; write UTC or Europe/Berlin"
        ) from error


def _format(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
