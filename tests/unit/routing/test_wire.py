"""Putting messages together from parts."""

from __future__ import annotations

from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mayfly.routing import routes, wire
from tests.unit.routing import test_golden


def test_a_joined_route_configuration_reads_like_one_made_whole() -> None:
    """The bytes are a valid message with every virtual host, in the order of their names, whatever the order given."""
    hosts = {
        name: route_components_pb2.VirtualHost(name=name, domains=[f"{name}.example.com"] * 60) for name in ("b", "a")
    }
    made = routes.make_route_configuration("public", {name: wire.serialise(host) for name, host in hosts.items()})
    again = routes.make_route_configuration(
        "public", {name: wire.serialise(host) for name, host in reversed(hosts.items())}
    )
    assert made == again
    found = test_golden.decode(made)
    assert [host["name"] for host in found["virtualHosts"]] == ["a", "b"]
    assert isinstance(route_pb2.RouteConfiguration(), test_golden.MESSAGES[wire.ROUTES])


def test_a_response_reads_as_the_protocol_says() -> None:
    """Resources, removals, type and nonce arrive."""
    resource = wire.pack(wire.CLUSTER, "shop/hello:80", b"")
    data = wire.delta_response(type_url=wire.CLUSTER, nonce="7", resources=[resource], removed=["gone"])
    found = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    assert (found.nonce, found.type_url, list(found.removed_resources)) == ("7", wire.CLUSTER, ["gone"])
    assert [(item.name, item.version) for item in found.resources] == [("shop/hello:80", resource.version)]
