"""Keep what the gateway knows and what follows from it, at a cost in proportion to each change."""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mayfly import errors
from mayfly.gateway import delta, snapshot
from mayfly.routing import backends, edge, ingress, listeners, routes, status, wire

log = logging.getLogger(__name__)

Contribution = dict[routes.Listener, dict[str, bytes]]
"""Serialised virtual hosts by listener and name."""
ServiceKey = tuple[str, str]
_Claim = tuple[routes.Listener, str]
_NOTHING: Contribution = {listener: {} for listener in routes.LISTENERS}


@dataclasses.dataclass(slots=True)
class _Entry:
    """One ingress: what it asks for, what of that goes to Envoy, and what Envoy last took of it."""

    subject: ingress.Ingress
    contribution: Contribution
    taken: Contribution
    refused: str = ""

    @property
    def effective(self) -> Contribution:
        """Return what goes to Envoy: a version it refused is replaced by the last one it took."""
        return self.taken if self.refused else self.contribution

    @property
    def rank(self) -> tuple[str, ingress.Key]:
        """Return the order in which ingresses get a host: the oldest first."""
        return self.subject.created, self.subject.key


class Table:
    """Turn ingresses, Services and EndpointSlices into the snapshot's resources.

    ``on_finding`` is called with the key of an ingress whose own state changed other than by ``put_ingress``:
    it won or lost a host, or Envoy refused it.
    """

    def __init__(
        self,
        resources: snapshot.Snapshot,
        *,
        place: edge.Edge,
        on_finding: Callable[[ingress.Key], None] = lambda _key: None,
    ) -> None:
        self._resources = resources
        self._place = place
        self._on_finding = on_finding
        self._entries: dict[ingress.Key, _Entry] = {}
        self._invalid: dict[ingress.Key, errors.InvalidRoute] = {}
        self._claims: dict[_Claim, set[ingress.Key]] = {}
        self._services: dict[ServiceKey, backends.Service] = {}
        self._slices: dict[ServiceKey, dict[str, backends.Slice]] = {}
        self._users: dict[ingress.Backend, set[ingress.Key]] = {}
        self._ports: dict[ServiceKey, set[ingress.Backend]] = {}
        self._virtual_hosts: dict[routes.Listener, dict[str, bytes]] = {name: {} for name in routes.LISTENERS}
        self._suspects: dict[routes.Listener, set[ingress.Key]] = {name: set() for name in routes.LISTENERS}
        """Ingresses that changed since Envoy last took the routes."""
        self._offers: dict[tuple[str, str], dict[ingress.Key, dict[str, bytes]]] = {}
        """What the suspects contributed to each route configuration (name, version) that was made."""
        self._trials: collections.deque[list[ingress.Key]] = collections.deque()
        """Groups of refused ingresses, tried again one group at a time to find the one to blame."""
        self.refusals = 0
        """How often Envoy refused something since the start."""
        for listener in routes.LISTENERS:
            resources.put(wire.LISTENER, listener, listeners.make_listener(listener, place))
            self._publish_routes(listener)

    # Ingresses

    def put_ingress(self, obj: Mapping[str, Any]) -> None:
        """Take in an ingress, new or changed; one that is not sound keeps its last sound version serving."""
        key = ingress.Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        try:
            subject = ingress.parse_ingress(obj)
        except errors.InvalidRoute as error:
            self._invalid[key] = error
            return
        self._invalid.pop(key, None)
        before = self._entries.get(key)
        if before is not None and before.subject == subject:
            return
        entry = _Entry(subject, contribution=_NOTHING, taken=before.taken if before else _NOTHING)
        self._entries[key] = entry
        self._use_backends(key, before.subject.backends if before else frozenset(), subject.backends)
        self._claim(key, _claims(before.subject) if before else set(), _claims(subject))
        self._render([key])

    def drop_ingress(self, key: ingress.Key) -> None:
        """Forget an ingress and what only it used."""
        self._invalid.pop(key, None)
        entry = self._entries.get(key)
        if entry is None:
            return
        self._install(key, entry.effective, _NOTHING)
        for suspects in self._suspects.values():
            suspects.discard(key)
        self._claim(key, _claims(entry.subject), set())
        self._use_backends(key, entry.subject.backends, frozenset())
        del self._entries[key]

    def finding(self, key: ingress.Key) -> status.Finding | None:
        """Return why the ingress cannot serve, ``None`` when the data plane decides."""
        if key in self._invalid:
            return status.Finding(errors.InvalidRoute.reason, str(self._invalid[key]), failed=True)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.refused:
            return status.Finding("RefusedByProxy", f"Envoy refused this route: {entry.refused}", failed=True)
        taken = self._lost_hosts(entry)
        if taken:
            host, owner = taken[0]
            text = f"host {host!r} is served by the older ingress {owner}; remove the host from one of the two"
            return status.Finding("HostTaken", text, failed=True)
        return None

    def get(self, key: ingress.Key) -> ingress.Ingress | None:
        """Return the ingress as last read sound."""
        entry = self._entries.get(key)
        return None if entry is None else entry.subject

    def unserved(self, key: ingress.Key) -> list[str]:
        """Return the backends of an ingress that no endpoint serves, as text."""
        subject = self.get(key)
        found = sorted(subject.backends, key=str) if subject else []
        return [backend.cluster for backend in found if not self._is_served(backend)]

    def endpoints(self, namespace: str, service: str) -> list[str]:
        """Return the ready addresses of a Service."""
        pieces = self._slices.get((namespace, service), {}).values()
        return sorted({address for piece in pieces for address in piece.ready})

    @property
    def size(self) -> int:
        """Return how many ingresses are held."""
        return len(self._entries)

    # Services and endpoints

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

    def put_slice(self, key: ServiceKey, name: str, piece: backends.Slice | None) -> None:
        """Take in the EndpointSlice ``name`` of a Service; ``None`` says it is gone."""
        pieces = self._slices.setdefault(key, {})
        if piece is None:
            pieces.pop(name, None)
        else:
            pieces[name] = piece
        if not pieces:
            del self._slices[key]
        for backend in self._ports.get(key, ()):
            self._publish_endpoints(backend)

    # What Envoy says

    def conclude(self, verdict: delta.Verdict) -> None:
        """Take in what Envoy made of a response; routes it refused are taken back, each other ingress stays served."""
        if verdict.error:
            self.refusals += 1
            log.error("envoy refused %s: %s", verdict.type_url.rsplit(".", 1)[-1], verdict.error)
        if verdict.type_url != wire.ROUTES:
            return
        blamed: dict[ingress.Key, None] = {}
        for listener in routes.LISTENERS:
            if listener in verdict.versions:
                offer = self._offers.pop((listener, verdict.versions[listener]), {})
                blamed |= dict.fromkeys(offer)
                if not verdict.error:
                    self._accept(listener, offer)
        if verdict.error:
            self._refuse(blamed, verdict.error)
        while self._trials and not any(self._suspects.values()):
            self._readmit(self._trials.popleft())

    def _accept(self, listener: routes.Listener, offer: Mapping[ingress.Key, dict[str, bytes]]) -> None:
        for key, hosts in offer.items():
            entry = self._entries.get(key)
            if entry is not None:
                entry.taken = {**entry.taken, listener: hosts}
                if entry.effective[listener] is hosts:
                    self._suspects[listener].discard(key)

    def _refuse(self, offer: Iterable[ingress.Key], error: str) -> None:
        """Take back what was offered: what the error names, else everything, to be tried again half by half."""
        suspects = [key for key in offer if key in self._entries]
        named = [key for key in suspects if self._is_named(key, error)]
        for key in named or suspects:
            entry = self._entries[key]
            before, entry.refused = entry.effective, error
            self._install(key, before, entry.effective)
            self._on_finding(key)
        if not named and len(suspects) > 1:
            half = len(suspects) // 2
            self._trials += [suspects[:half], suspects[half:]]

    def _readmit(self, keys: Iterable[ingress.Key]) -> None:
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry.refused:
                before, entry.refused = entry.effective, ""
                self._install(key, before, entry.effective)
                self._on_finding(key)

    def _is_named(self, key: ingress.Key, error: str) -> bool:
        entry = self._entries[key]
        names = {name for hosts in entry.contribution.values() for name in hosts}
        return any(name in error for name in names | {host for _, host in _claims(entry.subject)} - {"*"})

    # Within

    def _render(self, keys: Iterable[ingress.Key]) -> None:
        """Make the virtual hosts of ingresses anew, and give them to Envoy."""
        for key in keys:
            entry = self._entries[key]
            made: Contribution = {}
            for listener, hosts in routes.domains(entry.subject).items():
                allowed = [host for host in hosts if self._owner((listener, host)) == key]
                found = routes.make_virtual_hosts(entry.subject, listener, allowed=allowed)
                made[listener] = {name: wire.serialise(virtual_host) for name, virtual_host in found.items()}
            before = entry.effective
            entry.contribution, entry.refused = made, ""
            self._install(key, before, made)

    def _install(self, key: ingress.Key, before: Contribution, after: Contribution) -> None:
        """Replace what an ingress contributes; it is a suspect until Envoy takes it."""
        for listener, hosts in self._virtual_hosts.items():
            if before[listener] == after[listener]:
                continue
            for name in before[listener]:
                hosts.pop(name, None)
            hosts.update(after[listener])
            self._suspects[listener].add(key)
            self._publish_routes(listener)

    def _publish_routes(self, listener: routes.Listener) -> None:
        self._resources.put(wire.ROUTES, listener, lambda: self._offer(listener))

    def _offer(self, listener: routes.Listener) -> wire.Resource:
        """Make a route configuration, and remember who is to blame if Envoy refuses it."""
        made = routes.make_route_configuration(listener, self._virtual_hosts[listener])
        changed = (key for key in self._suspects[listener] if key in self._entries)
        self._offers[listener, made.version] = {key: self._entries[key].effective[listener] for key in changed}
        return made

    def _claim(self, key: ingress.Key, before: set[_Claim], after: set[_Claim]) -> None:
        """Move the claims of an ingress; whoever wins or loses a host by that is made anew."""
        affected: set[ingress.Key] = set()
        for claim in before ^ after:
            owner = self._owner(claim)
            holders = self._claims.setdefault(claim, set())
            (holders.add if claim in after else holders.discard)(key)
            if not holders:
                del self._claims[claim]
            if self._owner(claim) != owner:
                affected |= {held for held in (owner, self._owner(claim)) if held is not None}
        affected = {other for other in affected if other != key and other in self._entries}
        self._render(sorted(affected))
        for other in affected:
            self._on_finding(other)

    def _owner(self, claim: _Claim) -> ingress.Key | None:
        holders = self._claims.get(claim)
        if not holders:
            return None
        if len(holders) == 1:
            return next(iter(holders))
        return min((holder for holder in holders if holder in self._entries), key=lambda k: self._entries[k].rank)

    def _lost_hosts(self, entry: _Entry) -> list[tuple[str, ingress.Key]]:
        owners = ((claim[1], self._owner(claim)) for claim in sorted(_claims(entry.subject)))
        return [(host, owner) for host, owner in owners if owner is not None and owner != entry.subject.key]

    def _use_backends(
        self, key: ingress.Key, before: frozenset[ingress.Backend], after: frozenset[ingress.Backend]
    ) -> None:
        for backend in after - before:
            users = self._users.setdefault(backend, set())
            users.add(key)
            self._ports.setdefault((backend.namespace, backend.service), set()).add(backend)
            if len(users) == 1:
                self._publish_backend(backend)
        for backend in before - after:
            self._users[backend].discard(key)
            if not self._users[backend]:
                self._retire_backend(backend)

    def _publish_backend(self, backend: ingress.Backend) -> None:
        service = self._services.get((backend.namespace, backend.service))
        self._publish_endpoints(backend)  # first: a cluster that finds its endpoints is ready sooner
        cluster = backends.make_cluster(backend, service, place=self._place)
        self._resources.put(wire.CLUSTER, backend.cluster, cluster)

    def _publish_endpoints(self, backend: ingress.Backend) -> None:
        key = (backend.namespace, backend.service)
        service = self._services.get(key)
        if not backends.discovers(service):
            self._resources.remove(wire.ENDPOINTS, backend.cluster)
            return
        found = backends.addresses(backend, service, self._slices.get(key, {}).values())
        self._resources.put(wire.ENDPOINTS, backend.cluster, backends.make_endpoints(backend, found))

    def _retire_backend(self, backend: ingress.Backend) -> None:
        del self._users[backend]
        key = (backend.namespace, backend.service)
        self._ports[key].discard(backend)
        if not self._ports[key]:
            del self._ports[key]
        self._resources.remove(wire.CLUSTER, backend.cluster)
        self._resources.remove(wire.ENDPOINTS, backend.cluster)

    def _is_served(self, backend: ingress.Backend) -> bool:
        key = (backend.namespace, backend.service)
        service = self._services.get(key)
        if service is not None and service.external_name is not None:
            return backends.find_port(service, backend) is not None
        return bool(backends.addresses(backend, service, self._slices.get(key, {}).values()))


def _claims(subject: ingress.Ingress) -> set[_Claim]:
    return {(listener, host) for listener, hosts in routes.domains(subject).items() for host in hosts}
