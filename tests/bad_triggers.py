"""Triggers that a schema lets pass and a parser does not: one table for everybody who must refuse them."""

from __future__ import annotations


def sql(text):
    """Return a trigger whose only filter is this expression."""
    return {"event": {"filters": [{"sql": text}]}}


def cron(text, **more):
    """Return a trigger with this schedule."""
    return {"schedule": {"cron": text, **more}}


SQL = "event.filters[0].sql: sql, character"

BAD = {
    "sql without an end": (sql("a ="), "InvalidFilter", f"{SQL} 3: the end stands where"),
    "sql without a beginning": (sql("= 'a'"), "InvalidFilter", f"{SQL} 0: "),
    "sql of blanks": (sql("   "), "InvalidFilter", f"{SQL} 3: "),
    "sql with an open parenthesis": (sql("(a = 'b'"), "InvalidFilter", SQL),
    "sql with a closed parenthesis": (sql("a = 'b')"), "InvalidFilter", SQL),
    "sql with an open text": (sql("a = 'b"), "InvalidFilter", SQL),
    "sql with two operators": (sql("a = = 'b'"), "InvalidFilter", f"{SQL} 4: "),
    "sql with a foreign operator": (sql("a == 'b'"), "InvalidFilter", SQL),
    "sql with a foreign sign": (sql("a = 'b'; DROP TABLE x"), "InvalidFilter", SQL),
    "sql with an unknown function": (sql("NOSUCH(a) = 'b'"), "InvalidFilter", "NOSUCH"),
    "sql with a function of too little": (sql("LENGTH() > 1"), "InvalidFilter", "LENGTH"),
    "sql with a number that is too large": (sql("a = 99999999999"), "InvalidFilter", SQL),
    "sql that goes on": (sql("a = 'b' AND"), "InvalidFilter", f"{SQL} 11: the end stands where"),
    "sql with a list of nothing": (sql("type IN ()"), "InvalidFilter", SQL),
    "sql with LIKE and no text": (sql("type LIKE 5"), "InvalidFilter", SQL),
    "sql with EXISTS and no name": (sql("EXISTS 'a'"), "InvalidFilter", SQL),
    "sql that is nested too deep": (sql("(" * 40 + "TRUE" + ")" * 40), "InvalidFilter", "deeper than 32"),
    "sql as the second filter beside a type": (
        {"event": {"type": "a", "filters": [{"exact": {"a": "b"}}, {"sql": "a ="}]}},
        "InvalidFilter",
        "event.filters[1].sql: sql, character 3",
    ),
    "sql within any": (
        {"event": {"type": "a", "filters": [{"any": [{"exact": {"a": "b"}}, {"not": {"sql": "a <"}}]}]}},
        "InvalidFilter",
        "event.filters[0].any[1].not.sql: sql, character 3",
    ),
    "attribute in capitals": (
        {"event": {"type": "a", "attributes": {"Tenant": "b"}}},
        "InvalidFilter",
        "event.attributes: attribute name 'Tenant'",
    ),
    "attribute with a hyphen": (
        {"event": {"attributes": {"my-tenant": "b"}}},
        "InvalidFilter",
        "event.attributes: attribute name 'my-tenant'",
    ),
    "attribute without a name": (
        {"event": {"attributes": {"": "b"}}},
        "InvalidFilter",
        "event.attributes: attribute name ''",
    ),
    "attribute called data": ({"event": {"attributes": {"data": "b"}}}, "InvalidFilter", "event.attributes: "),
    "attribute of a prefix": (
        {"event": {"filters": [{"prefix": {"my_type": "a"}}]}},
        "InvalidFilter",
        "event.filters[0].prefix: attribute name 'my_type'",
    ),
    "attribute deep inside": (
        {"event": {"filters": [{"all": [{"any": [{"suffix": {"A": "a"}}]}]}]}},
        "InvalidFilter",
        "event.filters[0].all[0].any[0].suffix: attribute name 'A'",
    ),
    "minute 60": (cron("60 * * * *"), "InvalidSchedule", "schedule.cron '60 * * * *': Bad minute"),
    "hour 24": (cron("0 24 * * *"), "InvalidSchedule", "Bad hour"),
    "day 32": (cron("0 0 32 * *"), "InvalidSchedule", "Bad day-of-month"),
    "month 13": (cron("0 0 1 13 *"), "InvalidSchedule", "Bad month"),
    "weekday 8": (cron("0 0 * * 8"), "InvalidSchedule", "Bad day-of-week"),
    "weekday in words of another language": (cron("0 0 * * MIT"), "InvalidSchedule", "Bad day-of-week"),
    "the 30th of February": (cron("0 0 30 2 *"), "InvalidSchedule", "schedule.cron '0 0 30 2 *'"),
    "range that runs backwards": (cron("30-10 * * * *"), "InvalidSchedule", "Bad minute"),
    "step of nothing": (cron("*/0 * * * *"), "InvalidSchedule", "Bad minute"),
    "word for a minute": (cron("x * * * *"), "InvalidSchedule", "Bad minute"),
    "quartz's question mark": (cron("0 0 ? * MON"), "InvalidSchedule", "Bad day-of-month"),
    "time zone that is none": (
        cron("0 8 * * *", timezone="Europe/Atlantis"),
        "InvalidSchedule",
        "schedule.timezone 'Europe/Atlantis' is not in the IANA database",
    ),
    "time zone by its offset": (cron("0 8 * * *", timezone="UTC+2"), "InvalidSchedule", "schedule.timezone 'UTC+2'"),
    "time zone that is a directory": (cron("0 8 * * *", timezone="Europe"), "InvalidSchedule", "schedule.timezone"),
}
"""Name -> trigger, reason, words of what is said about it."""
