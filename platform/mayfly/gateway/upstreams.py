"""Keep Services and their endpoints, and tell Envoy of those that ingresses send traffic to."""

from __future__ import annotations

from collections.abc import Iterable

from mayfly.gateway import snapshot
from mayfly.routing import asynchronous, backends, edge, eventing, ingress, wire

ServiceKey = tuple[str, str]


class Upstreams:
    """Turn Services and EndpointSlices into clusters and endpoints, for the backends that are in use."""

    def __init__(self, resources: snapshot.Snapshot, *, place: edge.Edge) -> None:
        self._resources = resources
        self._place = place
        self._services: dict[ServiceKey, backends.Service] = {}
        self._slices: dict[ServiceKey, dict[str, backends.Slice]] = {}
        self._private: dict[ServiceKey, ServiceKey] = {}
        """The Service with a revision's own pods, by the Service that ingresses name."""
        self._ports: dict[ServiceKey, set[ingress.Backend]] = {}
        """The backends in use, by their Service."""
        self._eventing: ingress.Backend | None = None
        self._token = ""

    def add(self, backend: ingress.Backend) -> None:
        """Begin to serve a backend."""
        self._ports.setdefault(_service_of(backend), set()).add(backend)
        self._publish_backend(backend)

    def drop(self, backend: ingress.Backend) -> None:
        """Serve a backend no longer."""
        key = _service_of(backend)
        self._ports[key].discard(backend)
        if not self._ports[key]:
            del self._ports[key]
        self._resources.remove(wire.CLUSTER, backend.cluster)
        self._resources.remove(wire.ENDPOINTS, backend.cluster)

    def hand_over(self, backend: ingress.Backend, *, token: str) -> None:
        """Serve the eventing process at ``backend`` by a cluster that knows the token; with an empty one, no longer."""
        self._token = token
        self._eventing = backend if token else None
        if token:
            self._publish_eventing(_service_of(backend))
        else:
            self._resources.remove(wire.CLUSTER, asynchronous.CLUSTER)
            self._resources.remove(wire.ENDPOINTS, asynchronous.CLUSTER)

    def put_service(self, key: ServiceKey, service: backends.Service | None) -> None:
        """Take in a Service; ``None`` says it is gone."""
        if service == self._services.get(key):
            return
        if service is None:
            del self._services[key]
        else:
            self._services[key] = service
        for backend in self._ports.get(key, ()):
            self._publish_backend(backend)
        self._publish_eventing(key)

    def put_slice(self, key: ServiceKey, name: str, piece: backends.Slice | None) -> None:
        """Take in the EndpointSlice ``name`` of a Service; ``None`` says it is gone."""
        pieces = self._slices.setdefault(key, {})
        last = pieces.pop(name, None)
        if piece is not None:
            pieces[name] = piece
        if not pieces:
            del self._slices[key]
        affected = [key]
        for revision in {found.instances_of for found in (last, piece) if found is not None and found.instances_of}:
            affected.append((key[0], revision))
            if pieces:
                self._private[affected[-1]] = key
            else:
                self._private.pop(affected[-1], None)
        for service in affected:
            for backend in self._ports.get(service, ()):
                self._publish_endpoints(backend)
        self._publish_eventing(key)

    def endpoints(self, namespace: str, service: str) -> list[str]:
        """Return the ready addresses of a Service."""
        pieces = self._slices.get((namespace, service), {}).values()
        return sorted({address for piece in pieces for address in piece.ready})

    def unserved(self, wanted: Iterable[ingress.Backend]) -> list[str]:
        """Return the backends that no endpoint serves, as text, with the reason where we refuse one."""
        found = sorted(wanted, key=str)
        return [f"{backend.cluster}{self._refusal(backend)}" for backend in found if not self._is_served(backend)]

    def _refusal(self, backend: ingress.Backend) -> str:
        service = self._services.get(_service_of(backend))
        name = None if service is None else service.external_name
        if name is None or self._place.follows(name):
            return ""
        return f" (its externalName {name!r} is not among the chart's gateway.externalNames)"

    def _is_served(self, backend: ingress.Backend) -> bool:
        service = self._services.get(_service_of(backend))
        if service is not None and service.external_name is not None:
            return self._place.follows(service.external_name) and backends.find_port(service, backend) is not None
        return bool(self._addresses(backend))

    def _publish_backend(self, backend: ingress.Backend) -> None:
        service = self._services.get(_service_of(backend))
        self._publish_endpoints(backend)  # first: a cluster that finds its endpoints is ready sooner
        self._resources.put(backends.make_cluster(backend, service, place=self._place))

    def _publish_eventing(self, key: ServiceKey) -> None:
        """Bring up to date where the eventing process is, if ``key`` is its Service."""
        if self._eventing is None or _service_of(self._eventing) != key:
            return
        port = backends.find_port(self._services.get(key), self._eventing)
        self._resources.put(eventing.make_endpoints(self._addresses(self._eventing)))
        self._resources.put(eventing.make_cluster(port, token=self._token))

    def _publish_endpoints(self, backend: ingress.Backend) -> None:
        key = _service_of(backend)
        if not backends.discovers(self._services.get(key)):
            self._resources.remove(wire.ENDPOINTS, backend.cluster)
            return
        found = self._addresses(backend)
        self._resources.put(backends.make_endpoints(backend, found, cold=self._is_cold(key)))

    def _addresses(self, backend: ingress.Backend) -> list[tuple[str, int]]:
        key = _service_of(backend)
        return backends.addresses(backend, self._services.get(key), self._slices.get(key, {}).values())

    def _is_cold(self, key: ServiceKey) -> bool | None:
        """Say whether a revision has no ready instance, ``None`` when the Service is not a revision's."""
        private = self._private.get(key)
        return None if private is None else not any(piece.ready for piece in self._slices[private].values())


def _service_of(backend: ingress.Backend) -> ServiceKey:
    return backend.namespace, backend.service
