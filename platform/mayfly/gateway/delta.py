"""Decide what one Envoy is told next: the incremental xDS protocol, without the network.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds. All types share one stream (ADS),
and the order on it keeps requests from being lost: clusters, their endpoints, then the routes that use them, and only
when the routes are taken are unused clusters removed ("make before break", same page).

One response per type is under way at a time; what changes meanwhile joins the next one, so a slow Envoy gets fewer
and larger updates, never a queue of old ones.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mayfly.gateway import snapshot
from mayfly.routing import wire

log = logging.getLogger(__name__)

WILDCARD = "*"
ORDER = (wire.CLUSTER, wire.ENDPOINTS, wire.SECRET, wire.LISTENER, wire.SCOPES)
_WILDCARD_TYPES = frozenset({wire.CLUSTER, wire.LISTENER, wire.SCOPES})
_UNKNOWN = ""
"""Version of a resource that Envoy refused, together with others: it may have it or not."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Say what Envoy made of a response: ``error`` is empty for an ACK, its reason for a NACK."""

    type_url: str
    versions: dict[str, str]
    error: str = ""


@dataclasses.dataclass(slots=True)
class _Subscription:
    """What one Envoy wants and has of one type."""

    wildcard: bool = False
    wanted: set[str] = dataclasses.field(default_factory=set)
    sent: dict[str, str] = dataclasses.field(default_factory=dict)
    """Versions by name, as last sent or as Envoy said it has when it connected."""
    dirty: set[str] = dataclasses.field(default_factory=set)
    """Names to look at again."""
    rejected: set[str] = dataclasses.field(default_factory=set)
    """Names of a refused response; they are sent again once one of them changed, since the others may be sound."""
    nonce: str = ""
    in_flight: dict[str, str] = dataclasses.field(default_factory=dict)
    greeted: bool = False
    """Whether a first response went out: Envoy waits for one, even if it is empty."""

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.wanted

    def subscribe(self, names: Iterable[str], existing: Iterable[str]) -> None:
        """Add names; one that is asked for again is sent again."""
        for name in names:
            if name == WILDCARD:
                self.wildcard = True
                self.dirty.update(existing)
            else:
                self.wanted.add(name)
                self.sent.pop(name, None)
                self.dirty.add(name)

    def touch(self, name: str) -> None:
        """Look at a name again, and at those that Envoy refused together with it."""
        self.dirty.add(name)
        if name in self.rejected:
            self.dirty |= self.rejected
            self.rejected.clear()

    def reject(self, names: Iterable[str]) -> None:
        """Note that Envoy refused a response with these names."""
        self.rejected.update(names)
        self.sent.update(dict.fromkeys(self.rejected, _UNKNOWN))

    def unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self.wanted.discard(name)
            if not self.wants(name):
                self.sent.pop(name, None)
                self.dirty.discard(name)

    @property
    def expects_answer(self) -> bool:
        """Say whether Envoy waits to hear that there is nothing."""
        return self.wildcard and not self.greeted

    @property
    def settled(self) -> bool:
        return not self.dirty and not self.nonce


class Stream:
    """Follow one Envoy's stream: feed requests to ``receive``, send what ``responses`` gives."""

    def __init__(self, resources: snapshot.Snapshot, *, on_verdict: Callable[[Verdict], None]) -> None:
        self._resources = resources
        self._on_verdict = on_verdict
        self._subscriptions: dict[str, _Subscription] = {}
        self._warming: set[str] = set()
        """Clusters sent whose endpoints Envoy has not confirmed: no route may use them yet."""
        self._count = 0

    def notify(self, type_url: str, name: str) -> None:
        """Note that a resource changed."""
        subscription = self._subscriptions.get(type_url)
        if subscription is not None and subscription.wants(name):
            subscription.touch(name)

    def receive(self, request: Any) -> None:
        """Take in a ``DeltaDiscoveryRequest``: a subscription, an ACK or a NACK, or several of these at once."""
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            subscription = self._subscriptions[request.type_url] = self._open(request)
        else:
            subscription.subscribe(request.resource_names_subscribe, self._resources.names(request.type_url))
            subscription.unsubscribe(request.resource_names_unsubscribe)
        if request.response_nonce and request.response_nonce == subscription.nonce:
            self._conclude(request, subscription)

    def responses(self) -> Iterator[bytes]:
        """Give every response that may go out now, serialised."""
        for type_url in ORDER:
            subscription = self._subscriptions.get(type_url)
            if subscription is not None and not subscription.nonce:
                response = self._respond(type_url, subscription)
                if response is not None:
                    yield response

    def _open(self, request: Any) -> _Subscription:
        """Begin a type: what Envoy kept from an earlier stream is not sent again."""
        subscription = _Subscription()
        names = list(request.resource_names_subscribe)
        if not names and request.type_url in _WILDCARD_TYPES:
            names = [WILDCARD]
        subscription.subscribe(names, self._resources.names(request.type_url))
        subscription.sent.update(request.initial_resource_versions)
        subscription.dirty.update(subscription.sent)
        return subscription

    def _conclude(self, request: Any, subscription: _Subscription) -> None:
        versions, subscription.in_flight, subscription.nonce = subscription.in_flight, {}, ""
        error = request.error_detail.message if request.HasField("error_detail") else ""
        if request.type_url == wire.ENDPOINTS or (error and request.type_url == wire.CLUSTER):
            self._warming.difference_update(versions)
        if error:
            subscription.reject(versions)
        self._on_verdict(Verdict(request.type_url, versions, error))

    def _respond(self, type_url: str, subscription: _Subscription) -> bytes | None:
        if type_url == wire.SCOPES and not self._may_route():
            return None
        changed, removed = self._pick(type_url, subscription)
        if not changed and not removed and not subscription.expects_answer:
            return None
        self._count += 1
        subscription.nonce, subscription.greeted = str(self._count), True
        subscription.in_flight = {resource.name: resource.version for resource in changed}
        subscription.sent.update(subscription.in_flight)
        if type_url == wire.CLUSTER:
            self._expect_endpoints(changed)
        return wire.delta_response(type_url=type_url, nonce=subscription.nonce, resources=changed, removed=removed)

    def _pick(self, type_url: str, subscription: _Subscription) -> tuple[list[wire.Resource], list[str]]:
        """Return what to send and what to withdraw, and forget that it was to be done; what must wait stays dirty."""
        changed: list[wire.Resource] = []
        removed: list[str] = []
        wait: set[str] = set()
        for name in sorted(subscription.dirty):
            if type_url == wire.SECRET and changed:
                wait.add(name)  # one at a time: Envoy's verdict does not say which of several it refused
                continue
            resource = self._resources.get(type_url, name)
            if resource is not None and subscription.sent.get(name) != resource.version:
                changed.append(resource)
            elif resource is None and name in subscription.sent:
                (wait.add if type_url == wire.CLUSTER and not self._routes_settled() else removed.append)(name)
        for name in removed:
            del subscription.sent[name]
        subscription.dirty = wait
        return changed, removed

    def _expect_endpoints(self, clusters: list[wire.Resource]) -> None:
        """Hold routes until Envoy has endpoints for ``clusters``: a replaced cluster starts without any."""
        endpoints = self._subscriptions.get(wire.ENDPOINTS)
        for cluster in clusters:
            if self._resources.get(wire.ENDPOINTS, cluster.name) is None:
                continue
            self._warming.add(cluster.name)
            if endpoints is not None and cluster.name in endpoints.wanted:
                endpoints.sent.pop(cluster.name, None)
                endpoints.dirty.add(cluster.name)

    def _may_route(self) -> bool:
        """Say whether every cluster that a route may name is in place."""
        clusters = self._subscriptions.get(wire.CLUSTER)
        if clusters is None or clusters.nonce:
            return False
        held = self._resources
        self._warming = {name for name in self._warming if held.get(wire.CLUSTER, name) is not None}
        return not self._warming and all(held.get(wire.CLUSTER, name) is None for name in clusters.dirty)

    def _routes_settled(self) -> bool:
        found = self._subscriptions.get(wire.SCOPES)
        return found is None or found.settled
