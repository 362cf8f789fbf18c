"""Other platforms' schedules as the five fields of ``spec.triggers``.

Sources: EventBridge (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html), NCRONTAB
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions) and the Go library of
OpenFaaS, Fission and Nuclio (https://pkg.go.dev/github.com/robfig/cron/v3). A result is checked by the parser that
will run it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mayfly import errors
from mayfly.events import schedule
from mayfly.migrate import text
from mayfly.model import trigger

_FIVE, _SIX = 5, 6
_MAX_TEXT = 256
_ENDS = (59, 23, 31, 12, 6)
"""Last value of minute, hour, day of month, month, day of week."""
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RATE = re.compile(r"rate\(\s*([0-9]{1,6})\s+(minute|hour|day)s?\s*\)")
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)")
_PART = re.compile(r"([0-9]{1,2})/([0-9]{1,2})")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = {"minute": _MINUTE, "hour": _HOUR, "day": _DAY}


class NotConvertible(Exception):
    """A schedule has no counterpart; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Converted:
    """Five fields; ``how`` is empty when they say exactly what the original said; ``timezone`` is None for UTC."""

    cron: str
    how: str = ""
    timezone: str | None = None


def convert_aws(expression: str, timezone: str | None = None) -> Converted:
    """Return what ``cron(...)`` or ``rate(...)`` of EventBridge says.

    Raises:
        NotConvertible: five fields cannot say it.
    """
    clean = _clean(expression)
    if rate := _RATE.fullmatch(clean):
        return _every(int(rate[1]) * _UNITS[rate[2]], timezone)
    inner = re.fullmatch(r"cron\((.*)\)", clean)
    fields = inner[1].split() if inner else []
    if len(fields) != _SIX:
        raise NotConvertible("neither rate(N minutes) nor cron() with six fields; write five fields of cron(5)")
    if fields[5] != "*":
        raise NotConvertible(
            f"the year {text.cut(fields[5])} has no field in cron(5); let the function look at the year"
        )
    week = ",".join(_aws_weekday(part) for part in fields[4].split(","))
    return _check([*fields[:4], week], "six fields of AWS as five of cron(5)", timezone)


def convert_ncrontab(expression: str) -> Converted:
    """Return what an Azure timer's NCRONTAB expression or time span says.

    Raises:
        NotConvertible: five fields cannot say it.
    """
    clean = _clean(expression)
    if span := re.fullmatch(r"(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})", clean):
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        return _every(days * _DAY + hours * _HOUR + minutes * _MINUTE + seconds, None)
    if clean.startswith("%"):
        raise NotConvertible(
            f"{text.cut(clean)} names an app setting, whose value is not read; write the schedule here"
        )
    fields, how = _without_seconds(clean)
    if fields[2] not in {"*", "?"} and fields[4] not in {"*", "?"}:
        raise NotConvertible(
            "it wants day of month and day of week both to hold, cron(5) takes either; let the function look at the day"
        )
    return _check(fields, how, None)


def convert_go(expression: str) -> Converted:
    """Return what an expression of the Go library says: five fields, six with seconds, ``@every`` or ``@daily``.

    Raises:
        NotConvertible: five fields cannot say it.
    """
    clean = _clean(expression)
    zone = None
    if zoned := _ZONE.fullmatch(clean):
        zone, clean = zoned[1], zoned[2].strip()
    if clean.startswith("@every"):
        return convert_interval(clean.removeprefix("@every").strip(), zone)
    if clean.startswith("@"):
        if clean not in _DESCRIPTORS:
            raise NotConvertible(f"{text.cut(clean)} is none of {', '.join(_DESCRIPTORS)}; write five fields")
        return _check(_DESCRIPTORS[clean].split(), f"{clean} in five fields", zone)
    fields, how = _without_seconds(clean)
    return _check(fields, how, zone)


def convert_interval(interval: str, timezone: str | None = None) -> Converted:
    """Return five fields that come as often as a duration of Go says.

    Raises:
        NotConvertible: no cron expression comes evenly so often.
    """
    parts = re.findall(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(h|ms|m|s)", interval)
    if not parts or "".join(number + unit for number, unit in parts) != interval:
        raise NotConvertible(f"{text.cut(interval)} is not a duration such as 5m; write five fields of cron(5)")
    seconds = sum(float(number) * {"h": _HOUR, "m": _MINUTE, "s": 1, "ms": 0.001}[unit] for number, unit in parts)
    return _every(seconds, timezone)


def _clean(expression: str) -> str:
    if len(expression) > _MAX_TEXT:
        raise NotConvertible(f"it has {len(expression)} characters, at most {_MAX_TEXT} are read")
    return " ".join(expression.split())


def _every(seconds: float, timezone: str | None) -> Converted:
    """Return the expression that comes every so many seconds, if one comes evenly."""
    how = "runs at full multiples of it, counted from the full hour or midnight"
    minutes, hours = int(seconds // _MINUTE), int(seconds // _HOUR)
    if seconds == _DAY:
        return _check(["0", "0", "*", "*", "*"], how, timezone)
    if seconds and seconds % _HOUR == 0 and 24 % hours == 0:
        return _check(["0", "*" if hours == 1 else f"*/{hours}", "*", "*", "*"], how, timezone)
    if seconds and seconds % _MINUTE == 0 and 60 % minutes == 0:
        return _check(["*" if minutes == 1 else f"*/{minutes}", "*", "*", "*", "*"], how, timezone)
    raise NotConvertible(
        f"no cron expression comes evenly every {seconds:.10g} seconds; choose minutes that divide an hour, hours that"
        " divide a day, or one day"
    )


def _without_seconds(clean: str) -> tuple[list[str], str]:
    """Return five fields of five or six, and how the seconds went."""
    fields = clean.split()
    if len(fields) == _FIVE:
        return fields, ""
    if len(fields) != _SIX:
        raise NotConvertible(f"it has {len(fields)} fields; write five: minute, hour, day of month, month, day of week")
    if not re.fullmatch(r"[0-9]{1,2}", fields[0]):
        raise NotConvertible(f"its seconds {text.cut(fields[0])} come more than once a minute; cron(5) has no seconds")
    if int(fields[0]) == 0:
        return fields[1:], "six fields without the seconds, which are 0"
    return fields[1:], f"runs at second 0, not {int(fields[0])}"


def _aws_weekday(part: str) -> str:
    """Return a day of week counted from 0 for Sunday, as cron(5) does, not from 1."""
    days, hash_sign, nth = part.partition("#")
    span, slash, step = days.partition("/")
    last = "L" if re.fullmatch(r"[1-7]L", span) else ""
    numbers = [str(int(day) - 1) if re.fullmatch("[1-7]", day) else day for day in span.removesuffix(last).split("-")]
    return f"{'-'.join(numbers)}{last}{slash}{step}{hash_sign}{nth}"


def _check(fields: list[str], how: str, timezone: str | None) -> Converted:
    """Return the fields in the spelling of cron(5), if the platform's own parser takes them."""
    cron = " ".join(
        ",".join(_spell(part, end) for part in field.split(",")) for field, end in zip(fields, _ENDS, strict=True)
    )
    try:
        schedule.parse_schedule(trigger.ScheduleTrigger(cron=cron, timezone=timezone or "UTC"))
    except (errors.SpecError, ValueError) as error:
        raise NotConvertible(f"{_why(error)}; write five fields of cron(5)") from error
    return Converted(cron, how, timezone)


def _why(error: Exception) -> str:
    if isinstance(error, errors.SpecError):
        return str(error)
    return "cron(5) and the names of time zones do not allow it"


def _spell(part: str, end: int) -> str:
    """Return ``*`` for ``?`` and a span for ``0/5``, which means from 0 to the end in steps."""
    if part == "?":
        return "*"
    stepped = _PART.fullmatch(part)
    return f"{stepped[1]}-{end}/{stepped[2]}" if stepped else part
