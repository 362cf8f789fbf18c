"""Make clusters and endpoints of Services and EndpointSlices. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import wrappers_pb2

from mayfly.routing import edge, ingress, observe, wire

HTTP2_PROTOCOLS = frozenset({"kubernetes.io/h2c", "h2c", "http2", "grpc"})
"""Values of ``appProtocol`` that mean HTTP/2 without TLS."""
HTTP2_PORT_NAMES = ("http2", "h2c", "grpc")
"""Port names, or their first part before a dash, that mean the same (Knative calls it ``http2``)."""
SERVICE_LABEL = "kubernetes.io/service-name"
REVISION_LABEL = "serving.knative.dev/revision"
SERVICE_TYPE_LABEL = "networking.internal.knative.dev/serviceType"
PRIVATE = "Private"
"""Of a revision's two Services the one with its own pods (``serving/pkg/reconciler/serverlessservice``). The other one
has the revision's name. EndpointSlices carry the labels of their Service."""
CONNECT_SECONDS = 3
BUFFER_BYTES = 32 * 1024
LIMIT = 100_000
"""Connections and requests per backend: queue-proxy and activator hold the real limits, and they queue fairly."""
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """Hold a Service's port; ``name`` is ``""`` when it has none."""

    name: str
    number: int
    http2: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """Hold what routing needs of a Service; ``external_name`` is ``None`` unless its type is ExternalName."""

    ports: tuple[Port, ...]
    external_name: str | None
    revision: str = ""
    """The Knative revision that answers here, empty when it is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """Hold what routing needs of an EndpointSlice: port numbers by name, and addresses by how well they serve."""

    ports: tuple[tuple[str, int], ...]
    ready: tuple[str, ...]
    draining: tuple[str, ...]
    """Pods that are ending but still answer; used when nobody is ready, as kube-proxy does."""
    instances_of: str = ""
    """The Knative revision whose own pods these are. The revision's Service has those of the activator, too."""


def parse_service(obj: Mapping[str, Any]) -> Service:
    """Return the Service that the API object describes."""
    spec = obj.get("spec") or {}
    return Service(
        ports=tuple(_parse_port(port) for port in spec.get("ports") or ()),
        external_name=spec.get("externalName") if spec.get("type") == "ExternalName" else None,
        revision=(obj["metadata"].get("labels") or {}).get(REVISION_LABEL, ""),
    )


def _parse_port(port: Mapping[str, Any]) -> Port:
    name = port.get("name") or ""
    http2 = port.get("appProtocol") in HTTP2_PROTOCOLS or name.split("-", 1)[0] in HTTP2_PORT_NAMES
    return Port(name, port["port"], http2)


def parse_slice(obj: Mapping[str, Any]) -> Slice:
    """Return the EndpointSlice that the API object describes; a condition that is not set counts as true."""
    ready: list[str] = []
    draining: list[str] = []
    for endpoint in _endpoints(obj):
        conditions = endpoint.get("conditions") or {}
        if conditions.get("ready") is not False:
            ready += endpoint["addresses"][:1]
        elif conditions.get("serving") and conditions.get("terminating"):
            draining += endpoint["addresses"][:1]
    ports = tuple((port.get("name") or "", port["port"]) for port in obj.get("ports") or () if port.get("port"))
    labels = obj["metadata"].get("labels") or {}
    private = labels.get(SERVICE_TYPE_LABEL) == PRIVATE
    return Slice(ports, tuple(ready), tuple(draining), labels.get(REVISION_LABEL, "") if private else "")


def _endpoints(obj: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return () if obj.get("addressType") == "FQDN" else obj.get("endpoints") or ()


def find_port(service: Service | None, backend: ingress.Backend) -> Port | None:
    """Return the Service's port that the backend means, ``None`` when there is no such Service or port."""
    if service is None:
        return None
    found = (port for port in service.ports if backend.port in (port.number, port.name))
    if service.external_name is not None and isinstance(backend.port, int):
        return next(found, Port("", backend.port, http2=False))
    return next(found, None)


def addresses(backend: ingress.Backend, service: Service | None, slices: Iterable[Slice]) -> list[tuple[str, int]]:
    """Return address and port of every endpoint that serves the backend, sorted, each once."""
    port = find_port(service, backend)
    if port is None:
        return []
    usable = [(piece, number) for piece in slices for name, number in piece.ports if name == port.name]
    ready = {(address, number) for piece, number in usable for address in piece.ready}
    draining = {(address, number) for piece, number in usable for address in piece.draining}
    return sorted(ready or draining)


def make_endpoints(
    backend: ingress.Backend, found: Iterable[tuple[str, int]], *, cold: bool | None = None
) -> wire.Resource:
    """Return the load assignment of a backend's cluster.

    ``cold`` says whether a request that meets it now has to wait for a first instance; ``None``: nobody knows.
    """
    return make_assignment(backend.cluster, found, cold=cold)


def make_assignment(cluster: str, found: Iterable[tuple[str, int]], *, cold: bool | None = None) -> wire.Resource:
    """Return the load assignment of the cluster of that name; otherwise as ``make_endpoints``."""
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=cluster)
    assignment.endpoints.add().lb_endpoints.extend(_endpoint(address, port) for address, port in found)
    if cold is not None:
        temperature = observe.make_temperature(cold=cold)
        for endpoint in assignment.endpoints[0].lb_endpoints:
            endpoint.metadata.CopyFrom(temperature)
    return wire.pack(wire.ENDPOINTS, cluster, wire.serialise(assignment))


def make_cluster(backend: ingress.Backend, service: Service | None, *, place: edge.Edge) -> wire.Resource:
    """Return the cluster of a backend: discovered endpoints, or the name that an ExternalName Service gives.

    A name of the gateway itself becomes its own listener, so that a DomainMapping crosses no network twice. A name that
    may not be followed (``edge.Edge.follows``) gets a cluster without endpoints.
    """
    port = find_port(service, backend)
    made = cluster_pb2.Cluster()
    made.CopyFrom(_HTTP2 if port is not None and port.http2 else _HTTP1)
    made.name = backend.cluster
    if service is not None and service.revision:
        made.metadata.CopyFrom(observe.make_backend_identity(service.revision))
    if service is None or service.external_name is None or port is None:
        made.type = cluster_pb2.Cluster.EDS
        made.eds_cluster_config.eds_config.ads.SetInParent()
        made.eds_cluster_config.eds_config.resource_api_version = 2
        return wire.pack(wire.CLUSTER, backend.cluster, wire.serialise(made))
    made.load_assignment.cluster_name = backend.cluster
    made.type = cluster_pb2.Cluster.STATIC
    if not place.follows(service.external_name):
        return wire.pack(wire.CLUSTER, backend.cluster, wire.serialise(made))
    own = place.own_listener(service.external_name)
    if own is None:
        made.type = cluster_pb2.Cluster.STRICT_DNS
        made.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
    host, number = own or (service.external_name, port.number)
    made.load_assignment.endpoints.add().lb_endpoints.append(_endpoint(host, number))
    return wire.pack(wire.CLUSTER, backend.cluster, wire.serialise(made))


def discovers(service: Service | None) -> bool:
    """Say whether a cluster of this Service asks for endpoints (EDS)."""
    return service is None or service.external_name is None


def _endpoint(address: str, port: int) -> endpoint_components_pb2.LbEndpoint:
    socket = address_pb2.SocketAddress(address=address, port_value=port)
    return endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=address_pb2.Address(socket_address=socket))
    )


def make_template(*, http2: bool) -> cluster_pb2.Cluster:
    """Return what all clusters of a protocol share."""
    made = cluster_pb2.Cluster(
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        per_connection_buffer_limit_bytes=wrappers_pb2.UInt32Value(value=BUFFER_BYTES),
    )
    made.connect_timeout.FromSeconds(CONNECT_SECONDS)
    limit = wrappers_pb2.UInt32Value(value=LIMIT)
    made.circuit_breakers.thresholds.append(
        circuit_breaker_pb2.CircuitBreakers.Thresholds(
            max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
        )
    )
    options = http_protocol_options_pb2.HttpProtocolOptions()
    explicit = options.explicit_http_config
    if http2:
        explicit.http2_protocol_options.CopyFrom(protocol_pb2.Http2ProtocolOptions())
    else:
        explicit.http_protocol_options.CopyFrom(protocol_pb2.Http1ProtocolOptions())
    made.typed_extension_protocol_options[HTTP_OPTIONS].Pack(options)
    return made


_HTTP1 = make_template(http2=False)
_HTTP2 = make_template(http2=True)
