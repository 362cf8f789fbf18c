"""What the table makes of the eventing process: whose calls go there, and when."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from mayfly import settings
from mayfly.gateway import control, snapshot, table
from mayfly.routing import asynchronous, backends, certificates, edge, ingress, wire
from tests.unit.gateway import test_table
from tests.unit.routing import objects, test_golden

TOKEN = "token-of-the-platform"
SECRET = ingress.SecretName("mayfly-system", "events-tls")
EVENTING = edge.Eventing("mayfly-system", "mayfly-eventing", 8080, hosts=("events.example.com",), secret=SECRET)
PLACE = dataclasses.replace(
    test_golden.PLACE, eventing=EVENTING, alias_hosts=("faas.example.com",), external_names=("api.example.net",)
)
GUARDED = {"hosts": ["img.example.com"], "maxRequestSize": "1Ki"}


class World:
    """A table, and what it gives Envoy."""

    def __init__(self, place: edge.Edge = PLACE) -> None:
        self.resources = snapshot.Snapshot()
        self.told: list[ingress.Key] = []
        self.table = table.Table(self.resources, place=place, on_finding=self.told.append)

    def hand_over(self, token: str) -> list[ingress.Key]:
        """Do what control does with a token."""
        found = self.table.hand_over(token)
        for key in found:
            self.table.renew(key)
        return found

    def contents(self) -> dict[str, Any]:
        return test_table.contents(self.resources)

    def endpoints(self) -> list[tuple[str, int]]:
        found = self.resources.get(wire.ENDPOINTS, asynchronous.CLUSTER)
        if found is None:
            return []
        (locality,) = test_golden.decode(found)["endpoints"]
        addresses = [each["endpoint"]["address"]["socketAddress"] for each in locality["lbEndpoints"]]
        return [(each["address"], each["portValue"]) for each in addresses]

    def announce(self, *addresses: str) -> None:
        service, piece = (
            objects.service(EVENTING.service, namespace=EVENTING.namespace, port=8080),
            objects.slice_(EVENTING.service, *addresses, namespace=EVENTING.namespace, port=8080),
        )
        key = (EVENTING.namespace, EVENTING.service)
        self.table.upstreams.put_service(key, backends.parse_service(service))
        self.table.upstreams.put_slice(key, "x1", backends.parse_slice(piece))


def test_the_token_may_come_at_any_time() -> None:
    """Before the routes, after them, changed on the way: the same configuration; taken away: as if it never was."""
    first, late, changed, never, gone = (World() for _ in range(5))
    first.hand_over(TOKEN)
    for world in (first, late, changed, never, gone):
        world.announce("10.0.0.1")
        world.table.put_ingress(objects.function("f", http=GUARDED))
        world.table.put_ingress(objects.plain("p", "p.example.com"))
    late.hand_over(TOKEN)
    changed.hand_over("another")
    assert changed.contents() != first.contents()
    changed.hand_over(TOKEN)
    gone.hand_over(TOKEN)
    gone.hand_over("")
    assert first.contents() == late.contents() == changed.contents()
    assert never.contents() == gone.contents()
    assert never.contents() != first.contents()


def test_the_same_token_changes_nothing() -> None:
    """It is read every few seconds; a gateway that knows nobody to hand over to needs none."""
    world = World()
    world.table.put_ingress(objects.function("f"))
    assert world.hand_over(TOKEN) == [ingress.Key("shop", "f")]
    assert world.hand_over(TOKEN) == []
    assert World(test_golden.PLACE).hand_over(TOKEN) == []


def test_its_endpoints_are_followed() -> None:
    """As those of any backend; without any, one that refuses keeps Envoy trying."""
    world = World()
    assert world.endpoints() == []
    world.hand_over(TOKEN)
    seen = [world.endpoints()]
    for addresses in (("10.0.0.1",), ("10.0.0.2", "10.0.0.3"), ()):
        world.announce(*addresses)
        seen.append(world.endpoints())
    nowhere = [("127.0.0.1", 1)]
    assert seen == [nowhere, [("10.0.0.1", 8080)], [("10.0.0.2", 8080), ("10.0.0.3", 8080)], nowhere]
    world.hand_over("")
    assert world.endpoints() == []


def test_hosts_of_events_are_nobodys() -> None:
    """With a token or without: who names one is told so, and never gets it."""
    for token in (TOKEN, ""):
        world = World()
        world.hand_over(token)
        before = world.contents()[wire.SCOPES]
        world.table.put_ingress(objects.function("f", http={"hosts": ["events.example.com"]}))
        world.table.put_ingress(objects.plain("p", "events.example.com"))
        world.table.put_ingress(objects.plain("q", "mayfly-events.mayfly-system.svc"))
        after = {name: version for name, version in world.contents()[wire.SCOPES].items() if "events" in name}
        assert after == {name: version for name, version in before.items() if "events" in name}
        assert bool(after) == bool(token)
        for finding in (
            world.table.exposure_finding(ingress.Key("shop", "f")),
            world.table.finding(ingress.Key("shop", "p")),
            world.table.finding(ingress.Key("shop", "q")),
        ):
            assert finding is not None
            assert finding.reason == "HostTaken"
        assert world.table.finding(ingress.Key("shop", "f")) is None


def test_the_certificate_of_events_is_kept_while_it_is_named() -> None:
    """It is wanted once there is a token; an ingress that names the same Secret and goes does not take it away."""
    world = World()
    assert not world.table.keys.is_wanted(SECRET)
    world.hand_over(TOKEN)
    assert world.table.keys.is_wanted(SECRET)
    world.table.keys.put(SECRET, certificates.Certificate(b"chain", b"key"))
    obj = objects.plain("p", "p.example.com")
    obj["spec"]["tls"] = [{"secretName": SECRET.name, "secretNamespace": SECRET.namespace}]
    world.table.put_ingress(obj)
    world.table.drop_ingress(ingress.Key("shop", "p"))
    shown = world.resources.get(wire.LISTENER, "secure")
    assert shown is not None
    assert '"events.example.com"' in json.dumps(test_golden.decode(shown)["filterChainMatcher"])
    assert ingress.Key("", "events") not in world.told


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"event_hosts": ("a.example.com",)}, None),
        ({"eventing_service": "ns/name:8080"}, edge.Eventing("ns", "name", 8080)),
        (
            {
                "eventing_service": "ns/name:80",
                "event_hosts": ("a.example.com",),
                "event_tls_secret": "ns/tls",
                "alias_async": True,
            },
            edge.Eventing("ns", "name", 80, hosts=("a.example.com",), secret=("ns", "tls"), alias=True),
        ),
    ],
)
def test_settings_say_who_takes_calls(given: dict[str, Any], expected: edge.Eventing | None) -> None:
    """Without a Service nobody does, whatever else is set."""
    assert control.make_edge(settings.GatewaySettings(**given)).eventing == expected
