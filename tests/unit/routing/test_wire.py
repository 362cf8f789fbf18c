"""Putting messages together from parts."""

from __future__ import annotations

from envoy.service.discovery.v3 import discovery_pb2

from mayfly.routing import ingress, routes, wire
from tests.unit.routing import objects, test_golden


def test_a_scope_reads_like_one_made_whole() -> None:
    """The joined bytes are a valid message: name, key and the routes that hosts share."""
    given = objects.ingress("hello", objects.rule(["a.example.com", "b.example.com"], objects.path(objects.split("s"))))
    scopes = routes.make_scopes(ingress.parse_ingress(given))
    assert len(scopes) == 4
    made = {scope.name: test_golden.decode(scope) for scope in scopes.values()}
    for name, scope in made.items():
        key = [fragment["stringKey"] for fragment in scope["key"]["fragments"]]
        assert (scope["name"], key) == (name, name.split("/"))
        assert routes.host_of(name) == key[1]
    assert len({str(scope["routeConfiguration"]) for scope in made.values()}) == 1


def test_a_response_reads_as_the_protocol_says() -> None:
    """Resources, removals, type and nonce arrive."""
    resource = wire.pack(wire.CLUSTER, "shop/hello:80", b"")
    data = wire.delta_response(type_url=wire.CLUSTER, nonce="7", resources=[resource], removed=["gone"])
    found = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    assert (found.nonce, found.type_url, list(found.removed_resources)) == ("7", wire.CLUSTER, ["gone"])
    assert [(item.name, item.version) for item in found.resources] == [("shop/hello:80", resource.version)]
