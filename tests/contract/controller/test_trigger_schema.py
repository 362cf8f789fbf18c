"""What the API server makes of spec.triggers and spec.delivery by the CRD that is shipped.

What needs a parser is not told here: ``test_admission.py``. No webhook looks at these Functions, since no controller
takes care of them.
"""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.cluster import kinds
from tests.contract.controller.conftest import make_function


def event(**content):
    return {"triggers": [{"event": content}]}


def filtered(content):
    return event(filters=[content])


def schedule(**content):
    return {"triggers": [{"schedule": content}]}


BAD = {
    "no kind of trigger": ({"triggers": [{}]}, "a trigger has exactly one of event, schedule"),
    "both kinds": ({"triggers": [{"event": {"type": "a"}, "schedule": {"cron": "* * * * *"}}]}, "has exactly one of"),
    "name": ({"triggers": [{"name": "A b", "event": {"type": "a"}}]}, "spec.triggers[0].name"),
    "empty event": (event(), "set at least one of event.type, event.source"),
    "empty type": (event(type=""), "spec.triggers[0].event.type"),
    "no dialect": (filtered({}), "a filter has exactly one of exact, prefix, suffix, sql, any, all, not"),
    "two dialects": (filtered({"exact": {"a": "b"}, "sql": "TRUE"}), "a filter has exactly one of"),
    "unknown dialect": (filtered({"regex": {"a": "b"}}), "regex"),
    "empty text": (filtered({"exact": {"a": ""}}), "filters[0].exact.a"),
    "empty list": (filtered({"any": []}), "filters[0].any"),
    "two within": (filtered({"any": [{"exact": {"a": "b"}, "sql": "TRUE"}]}), "filters[0].any[0]"),
    "none within not": (filtered({"not": {}}), "filters[0].not"),
    "too deep": (filtered({"not": {"not": {"not": {"sql": "TRUE"}}}}), "filters[0].not.not"),
    "four fields": (schedule(cron="* * * *"), "schedule.cron has five fields, such as 0 8 * * MON-FRI, not * * * *"),
    "six fields": (schedule(cron="0 * * * * *"), "schedule.cron has five fields"),
    "time zone": (schedule(cron="* * * * *", timezone="../etc"), "schedule.timezone"),
    "missed": (schedule(cron="* * * * *", missed="all"), 'supported values: "skip", "once"'),
    "retries": ({"delivery": {"retries": 101}}, "spec.delivery.retries"),
    "max age": ({"delivery": {"maxAge": "8d"}}, "delivery.maxAge is from 1s to 168h, such as 6h, not 8d"),
    "first pause": ({"delivery": {"backoff": {"initial": "1ms"}}}, "backoff.initial is from 100ms to 5m"),
    "first beyond longest": (
        {"delivery": {"backoff": {"initial": "10s", "max": "5s"}}},
        "backoff.initial must not exceed backoff.max",
    ),
    "no destination": ({"delivery": {"onSuccess": {}}}, "a destination has exactly one of function, event, url"),
    "two destinations": ({"delivery": {"onFailure": {"function": "a", "event": "b"}}}, "a destination has exactly"),
    "destination by file": ({"delivery": {"onFailure": {"url": "file:///etc"}}}, "spec.delivery.onFailure.url"),
    "dead letters": ({"delivery": {"deadLetter": {"retention": "5m"}}}, "deadLetter.retention is from 1h to 8760h"),
    "sink": ({"delivery": {"deadLetter": {"sink": {}}}}, "a destination has exactly one of"),
}

GOOD = {
    "least": {},
    "event": event(type="com.shop.order.created", source="/shop", subject="1", attributes={"tenant": "a"}),
    "every dialect": event(
        filters=[
            {"exact": {"a": "b"}},
            {"prefix": {"a": "b"}},
            {"suffix": {"a": "b"}},
            {"sql": "EXISTS a"},
            {"not": {"all": [{"sql": "EXISTS b"}, {"suffix": {"a": "b"}}]}},
            {"any": [{"not": {"prefix": {"a": "b"}}}, {"any": [{"exact": {"a": "b"}}]}]},
        ]
    ),
    "schedule": schedule(cron="*/5 8-18 * * MON-FRI", timezone="America/Argentina/Buenos_Aires", missed="once"),
    "delivery": {
        "delivery": {
            "retries": 0,
            "backoff": {"policy": "linear", "initial": "100ms", "max": "1h", "jitter": "none"},
            "maxAge": "168h",
            "concurrency": 1,
            "deadLetter": {"retention": "24h", "sink": {"function": "mail"}},
            "onSuccess": {"event": "com.shop.done"},
            "onFailure": {"url": "https://hooks.shop.example/x?y=z"},
        }
    },
}


@pytest.fixture
async def ask(cluster, functions):
    """A function that asks the API server whether it would store a spec; returns what it says against it."""
    path = f"{kinds.FUNCTION.path(namespace=functions)}?dryRun=All&fieldValidation=Strict"

    async def ask(spec):
        wanted = make_function(functions, **spec)
        try:
            stored = await cluster.post(path, wanted)
        except errors.ClusterError as error:
            return str(error)
        return "" if stored["spec"] == wanted["spec"] else f"stored as {stored['spec']}"

    return ask


async def test_triggers_and_delivery_are_checked_at_the_door(ask):
    """What is good is stored as it was written; what is bad is refused with value, rule and fix, by the CRD alone."""
    said = {name: await ask(spec) for name, spec in GOOD.items()}
    assert said == dict.fromkeys(GOOD, "")
    answers = {name: await ask(spec) for name, (spec, _) in BAD.items()}
    assert {name: answer for name, answer in answers.items() if BAD[name][1] not in answer} == {}
