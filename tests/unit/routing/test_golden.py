"""From what Knative writes to what Envoy gets, whole.

``MAYFLY_UPDATE_GOLDEN=1 pytest tests/unit/routing`` writes the expected files anew; read the difference first.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import json_format

from mayfly.gateway import snapshot, table
from mayfly.routing import backends, edge, ingress, listeners, routes, wire

GOLDEN = pathlib.Path(__file__).parent / "golden"
PLACE = edge.Edge(
    public_port=8080,
    internal_port=8081,
    secure_port=8443,
    public_host="mayfly-gateway.mayfly-system.svc.cluster.local",
    internal_host="mayfly-gateway-internal.mayfly-system.svc.cluster.local",
    external_names=("api.example.net",),
)
MESSAGES = {
    wire.CLUSTER: cluster_pb2.Cluster,
    wire.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    wire.LISTENER: listener_pb2.Listener,
    wire.SCOPES: scoped_route_pb2.ScopedRouteConfiguration,
}


def decode(resource: wire.Resource) -> dict[str, Any]:
    """Return a resource as JSON, read back from its bytes."""
    envelope = discovery_pb2.Resource.FromString(resource.encoded)
    assert (resource.name, resource.version) == (envelope.name, envelope.version)
    message = MESSAGES[resource.type_url]()
    assert envelope.resource.Unpack(message)
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found


def compare(name: str, made: Any) -> None:
    """Compare with the expected file, or write it when asked to."""
    file = GOLDEN / f"{name}.json"
    if os.environ.get("MAYFLY_UPDATE_GOLDEN"):
        file.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    assert json.loads(file.read_text()) == made


@pytest.mark.parametrize("name", sorted(file.stem for file in GOLDEN.glob("*.yaml")))
def test_an_ingress_becomes_envoys_configuration(name: str) -> None:
    """Clusters, endpoints and scopes are exactly those expected."""
    given = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
    resources = snapshot.Snapshot()
    known = table.Table(resources, place=PLACE)
    known.put_ingress(given["ingress"])
    for obj in given["services"]:
        known.upstreams.put_service(
            (obj["metadata"]["namespace"], obj["metadata"]["name"]), backends.parse_service(obj)
        )
    for obj in given["slices"]:
        metadata = obj["metadata"]
        key = (metadata["namespace"], metadata["labels"][backends.SERVICE_LABEL])
        known.upstreams.put_slice(key, metadata["name"], backends.parse_slice(obj))
    made = {
        type_url.rsplit(".", 1)[1]: {
            found: decode(resources.get(type_url, found)) for found in sorted(resources.names(type_url))
        }
        for type_url in (wire.CLUSTER, wire.ENDPOINTS, wire.SCOPES)
    }
    compare(name, made)


@pytest.mark.parametrize("listener", routes.LISTENERS)
def test_listeners(listener: routes.Listener) -> None:
    """Every limit and header rule of the edge stands in the listener; over TLS each host has its certificate."""
    if listener == "secure":
        shared, own = ingress.SecretName("shop", "all"), ingress.SecretName("shop", "one")
        hosts = {"a.example.com": shared, "b.example.com": shared, "one.example.com": own}
        made = listeners.make_secure_listener(PLACE, hosts)
    else:
        made = listeners.make_listener(listener, PLACE)
    assert made is not None
    compare(f"listener-{listener}", decode(made))
