"""What happens to traffic while things change: no call is lost, no bad route hurts another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mayfly.gateway import probe
from mayfly.routing import routes, wire
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"


@contextlib.asynccontextmanager
async def traffic(gateway: conftest.Gateway, host: str = HOST) -> AsyncIterator[list[Any]]:
    """Call ``host`` from four callers all the while; give the list of answers: function names or errors."""
    answers: list[Any] = []
    going = True

    async def caller() -> None:
        while going:
            try:
                status, body = await gateway.call(host)
                answers.append(body.get("function", status))
            except aiohttp.ClientError as error:
                answers.append(repr(error))

    callers = [asyncio.create_task(caller()) for _ in range(4)]
    try:
        yield answers
    finally:
        going = False
        await asyncio.gather(*callers)


async def more(answers: list[Any], count: int = 50) -> None:
    """Wait for so many further answers."""
    target = len(answers) + count
    await conftest.until(lambda: len(answers) >= target, what="further answers")


async def test_an_update_loses_no_call(gateway: conftest.Gateway) -> None:
    """Ten roll-outs to a new Service each, the old one gone at once afterwards: every call is answered."""
    await gateway.function("v0")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("v0")))))
    await gateway.serves(HOST)
    async with traffic(gateway) as answers:
        for number in range(1, 11):
            await gateway.function(f"v{number}")
            gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split(f"v{number}")))))
            await conftest.until(lambda number=number: answers and answers[-1] == f"v{number}")
            await more(answers, 5)
    assert set(answers) <= {f"v{number}" for number in range(11)}


async def test_a_replaced_cluster_loses_no_call(gateway: conftest.Gateway) -> None:
    """A cluster that is replaced gets its endpoints again, and waits for them before it is used."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    name = "shop/hello:80"
    envelope = discovery_pb2.Resource.FromString(gateway.control.snapshot.get(wire.CLUSTER, name).encoded)
    cluster = cluster_pb2.Cluster()
    envelope.resource.Unpack(cluster)
    async with traffic(gateway) as answers:
        for seconds in range(1, 4):
            cluster.connect_timeout.FromSeconds(seconds * 10)
            changed = wire.pack(wire.CLUSTER, name, wire.serialise(cluster))
            gateway.control.snapshot.put(changed)
            taken = (wire.CLUSTER, changed.version)
            await conftest.until(
                lambda taken=taken: taken in [(v.type_url, v.versions.get(name)) for v in gateway.control.verdicts]
            )
            await more(answers)
    assert set(answers) == {"hello"}


async def test_a_restart_of_the_control_is_not_noticed(gateway: conftest.Gateway) -> None:
    """Traffic flows while the control is away and when it comes back; afterwards changes arrive again."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    before = await gateway.clusters()
    async with traffic(gateway) as answers:
        await gateway.control.server.stop()
        await more(answers)
        await gateway.restart_control()
        await conftest.until(lambda: gateway.control.server.streams, what="Envoy to come back")
        await gateway.function("new")
        gateway.put(objects.ingress("new", objects.rule(["new.example.com"], objects.path(objects.split("new")))))
        await gateway.serves("new.example.com")
    assert set(answers) == {"hello"}
    sent = {name for verdict in gateway.control.verdicts for name in verdict.versions}
    assert not [name for name in sent if "hello" in name or name in {"public", "internal"}]
    assert "shop/hello:80::added_via_api::true" in before


async def test_what_went_while_the_control_was_away_is_removed(gateway: conftest.Gateway) -> None:
    """A control that starts anew takes back what its predecessor gave and nobody wants any more."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    gateway.objects = [(kind, obj) for kind, obj in gateway.objects if obj.get("kind") != "Ingress"]
    await gateway.restart_control()

    async def gone() -> bool:
        return (await gateway.call(HOST))[0] == 404 and "shop/hello:80" not in await gateway.clusters()

    await conftest.until(gone)


async def test_the_older_ingress_keeps_a_host(gateway: conftest.Gateway) -> None:
    """Two ingresses with one host: the older serves, the younger is told; it takes over when the older goes."""
    for name in ("old", "young"):
        await gateway.function(name)
    young, old = (
        objects.ingress(name, objects.rule([HOST], objects.path(objects.split(name))), created=created)
        for name, created in (("young", "2026-02-01T00:00:00Z"), ("old", "2026-01-01T00:00:00Z"))
    )
    gateway.put(young)
    assert (await gateway.serves(HOST))["function"] == "young"
    gateway.put(old)

    async def served_by(name: str) -> bool:
        return (await gateway.call(HOST))[1].get("function") == name

    await conftest.until(lambda: served_by("old"))
    finding = gateway.table.finding(("shop", "young"))
    assert (finding.reason, finding.failed) == ("HostTaken", True)
    assert "shop/old" in finding.message
    assert ("shop", "young") in gateway.control.findings
    gateway.table.drop_ingress(("shop", "old"))
    await conftest.until(lambda: served_by("young"))
    assert gateway.table.finding(("shop", "young")) is None


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have routes that set a header ``spoil`` also ask for what Envoy refuses without saying where."""
    make = routes.make_routes

    def make_some_bad(*args: Any, **options: Any) -> list[route_components_pb2.Route]:
        made = list(make(*args, **options))
        for route in made:
            if any(header.header.key == "spoil" for header in route.request_headers_to_add):
                route.request_headers_to_add.add().header.key = ":path"
        return made

    monkeypatch.setattr(routes, "make_routes", make_some_bad)


@pytest.mark.usefixtures("spoiled")
async def test_a_route_that_envoy_refuses_hurts_no_other(gateway: conftest.Gateway) -> None:
    """Of ingresses that arrive at once the bad one is found, reported and left out; the others serve."""
    await gateway.function("hello")
    names = ["good1", "good2", "bad", "good3"]
    split = [objects.split("hello"), objects.split("hello", spoil="yes")]
    gateway.put(
        *(
            objects.ingress(name, objects.rule([f"{name}.example.com"], objects.path(split[name == "bad"])))
            for name in names
        )
    )
    for name in names:
        if name != "bad":
            await gateway.serves(f"{name}.example.com")
    await conftest.until(lambda: gateway.table.finding(("shop", "bad")), what="the finding")
    finding = gateway.table.finding(("shop", "bad"))
    assert (finding.reason, finding.failed) == ("RefusedByProxy", True)
    assert (await gateway.call("bad.example.com"))[0] == 404
    assert {None} == {gateway.table.finding(("shop", name)) for name in names if name != "bad"}
    await gateway.function("late")
    gateway.put(objects.ingress("late", objects.rule(["late.example.com"], objects.path(objects.split("late")))))
    await gateway.serves("late.example.com")


async def test_the_prober_believes_only_what_serves(gateway: conftest.Gateway) -> None:
    """Before the route, without endpoints, after a change that has not arrived: not yet; else serving."""
    prober = probe.Prober(gateway.session, place=gateway.place)
    await gateway.function("hello")

    def make(step: str) -> dict[str, Any]:
        return objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello", step=step))))

    gateway.put(make("1"))
    first = gateway.table.get(("shop", "hello"))

    async def serving(subject: Any) -> bool:
        return not (await prober.check(subject, ["127.0.0.1"])).reason

    await conftest.until(lambda: serving(first))
    await gateway.control.server.stop()
    gateway.put(make("2"))
    second = gateway.table.get(("shop", "hello"))
    assert "older version" in (await prober.check(second, ["127.0.0.1"])).message
    await gateway.restart_control()
    await conftest.until(lambda: serving(second))
    gateway.put(objects.slice_("hello", port=1))

    async def without_endpoints() -> bool:
        return "no endpoint answers (UH)" in (await prober.check(second, ["127.0.0.1"])).message

    await conftest.until(without_endpoints)
    assert gateway.table.unserved(("shop", "hello")) == ["shop/hello:80"]
    assert "does not answer" in (await prober.check(second, ["127.0.0.9"])).message
