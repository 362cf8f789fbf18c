"""Condition Triggered: which triggers are in force, told by a controller that runs."""

from __future__ import annotations

import pytest

from tests import bad_triggers
from tests.contract.controller.conftest import Running, eventually, find_condition
from tests.contract.controller.test_crd import run_kubectl
from tests.contract.controller.test_life import make_ready

EVENT = {"event": {"type": "order.created"}}
NIGHTLY = bad_triggers.cron("0 3 * * *")
BAD = bad_triggers.sql("a =")
WORDS = "spec.triggers[1]: event.filters[0].sql: sql, character 3: the end stands where"


@pytest.mark.usefixtures("controller")
async def test_a_bad_trigger_stops_nothing_else(kubeconfig, cluster, author, builder, serves):
    """The Function is rolled out and routed, its other triggers are in force; Ready and kubectl name the bad one.

    When it is mended, it is Ready without anything being rolled out again.
    """
    builder.succeed(serves)
    ready = await make_ready(cluster, author, "mail", triggers=[EVENT])
    assert find_condition(ready, "Triggered")["message"] == "1 event"
    await author.apply("mail", triggers=[EVENT, BAD, NIGHTLY])
    refused = await author.until("mail", "Triggered", "False", "InvalidFilter")
    assert find_condition(refused, "Triggered")["message"].startswith(WORDS)
    assert find_condition(refused, "Triggered")["message"].endswith("; 2 other triggers in force")
    assert {item["type"]: item["status"] for item in refused["status"]["conditions"]} == {
        "Built": "True",
        "Deployed": "True",
        "Routed": "True",
        "Triggered": "False",
        "Ready": "False",
    }
    assert find_condition(refused, "Ready")["reason"] == "InvalidFilter"
    assert refused["status"]["triggers"] == 2
    where = (f"--kubeconfig={kubeconfig}", "-n", author.namespace)
    described = " ".join((await run_kubectl(*where, "describe", "fn", "mail")).split())
    assert f"Message: {WORDS}" in described
    assert "Reason: InvalidFilter Status: False Type: Triggered" in described

    async def told():
        return ("Warning", "InvalidFilter") in await author.events("mail")

    await eventually(told)
    mended = await make_ready(cluster, author, "mail", triggers=[EVENT, NIGHTLY, EVENT])
    assert find_condition(mended, "Triggered")["message"] == "2 events and 1 schedule"
    assert mended["status"]["revision"] == "mail-00001"
    table = await run_kubectl(*where, "get", "fn", "mail", "-o", "wide")
    row = dict(zip(*(line.split() for line in table.splitlines()), strict=True))
    assert (row["READY"], row["TRIGGERS"]) == ("True", "3")


@pytest.fixture
async def without_events(kubeconfig, functions, builder, monkeypatch):
    """A controller of an installation that takes no events."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    running = Running(kubeconfig, functions, builder.url, events_enabled=False)
    await running.start()
    yield running
    await running.stop()


async def test_an_installation_without_events_says_so(without_events, author, builder, serves):
    """And what to set; a Function without triggers misses nothing."""
    builder.succeed(serves)
    await author.apply("mail", triggers=[EVENT])
    await author.apply("site")
    told = await author.until("mail", "Triggered", "False", "EventsDisabled")
    assert "Set events.enabled of its chart to true" in find_condition(told, "Triggered")["message"]
    await author.until("mail", "Deployed", "True")
    await author.until("site", "Triggered", "True", "NoTriggers")
