"""Keep what the gateway knows and what follows from it, at a cost in proportion to each change."""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mayfly import errors
from mayfly.gateway import delta, keyring, sites, snapshot, upstreams, uses
from mayfly.gateway import trust as held
from mayfly.routing import (
    alias,
    edge,
    eventing,
    ingress,
    listeners,
    policy,
    relay,
    routes,
    status,
    tracing,
    trust,
    wire,
)
from mayfly.routing import sites as shares

log = logging.getLogger(__name__)

EVENTS = ingress.Key("", "events")
"""Uses the certificate of the hosts of events; no ingress is called so."""


@dataclasses.dataclass(slots=True)
class _Entry:
    """One ingress: the scopes it asks for, and what of them Envoy took last."""

    subject: ingress.Ingress
    scopes: dict[str, wire.Resource]
    taken: dict[str, wire.Resource]
    refused: str = ""

    @property
    def certificates(self) -> dict[str, ingress.SecretName]:
        """Return the Secret of each of the ingress's hosts that is served over TLS."""
        return dict(self.subject.tls)

    def effective(self, name: str) -> wire.Resource | None:
        """Return what Envoy should have for a scope: a version it refused is replaced by the last one it took."""
        return (self.taken if self.refused else self.scopes).get(name)

    @property
    def rank(self) -> tuple[str, ingress.Key]:
        """Return the order in which ingresses get a host: the oldest first."""
        return self.subject.created, self.subject.key


class Table:
    """Turn ingresses, with the Services, Secrets and issuers that they need, into the snapshot's resources.

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
        self._claims: dict[str, set[ingress.Key]] = {}
        """Who asks for a scope."""
        self.upstreams = upstreams.Upstreams(resources, place=place)
        """Services and endpoints."""
        self._backends: uses.Uses[ingress.Backend] = uses.Uses()
        self._secrets: uses.Uses[ingress.SecretName] = uses.Uses()
        self._sources: uses.Uses[trust.Source] = uses.Uses()
        self._trials: collections.deque[list[ingress.Key]] = collections.deque()
        """Groups of refused ingresses, tried again one group at a time to find the one to blame."""
        self.keys = keyring.Keyring(resources, on_finding=self._find_for_secret, on_change=self._promise_listener)
        """The certificates."""
        self.trust = held.Trust(on_change=self._renew_source)
        """What callers are checked against."""
        self._event_hosts = frozenset((*place.event_hosts, *place.local_event_hosts))
        self.sites = sites.Sites(
            publish=self._publish_scope, on_finding=on_finding, find_owner=self._owner, taken=self._event_hosts
        )
        """The hosts that Functions name themselves."""
        self._token = ""
        """Of the eventing process; without one nothing is handed over to it."""
        self._secure_scopes: set[str] = set()
        self.refusals = 0
        """How often Envoy refused something since the start."""
        resources.put(listeners.make_listener("public", place))
        resources.put(listeners.make_listener("internal", place))
        collector = tracing.make_collector(place.observation)
        if collector is not None:
            resources.put(collector)

    # Ingresses

    def put_ingress(self, obj: Mapping[str, Any]) -> None:
        """Take in an ingress, new or changed; one that is not sound keeps its last sound version serving."""
        key = ingress.Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        try:
            subject = ingress.parse_ingress(obj)
            if self._place.relays:
                subject = relay.put_before(subject, obj)
        except errors.InvalidRoute as error:
            self._invalid[key] = error
            return
        self._invalid.pop(key, None)
        before = self._entries.get(key)
        if before is not None and before.subject == subject:
            return
        taken = before.taken if before else {}
        self._use_source(key, before.subject if before else None, subject)
        policies = self._make_policies(subject)
        self._entries[key] = _Entry(subject, scopes=self._make_scopes(subject, policies), taken=taken)
        self._use(key, before.subject if before else None, subject)
        self._claim(key, before.scopes if before else {}, self._entries[key].scopes)
        self.sites.put(key, self._make_share(subject, policies))

    def drop_ingress(self, key: ingress.Key) -> None:
        """Forget an ingress and what only it used."""
        self._invalid.pop(key, None)
        entry = self._entries.get(key)
        if entry is not None:
            self._claim(key, entry.scopes, {})
            self._use(key, entry.subject, None)
            self._use_source(key, entry.subject, None)
            self.sites.put(key, None)
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
        for name in entry.scopes:
            owner, host = self._owner(name), routes.host_of(name)
            if host in self._event_hosts:
                text = f"host {host!r} is where this gateway takes events; name another"
                return status.Finding("HostTaken", text, failed=True)
            if owner != key:
                text = f"host {host!r} is served by the older ingress {owner}; remove the host from one of the two"
                return status.Finding("HostTaken", text, failed=True)
        return self._certificate_finding(entry.subject)

    def _certificate_finding(self, subject: ingress.Ingress) -> status.Finding | None:
        if subject.tls and self._place.secure_port is None:
            text = "this gateway terminates no TLS; remove spec.tls, or set the chart's value gateway.tls.enabled"
            return status.Finding("TLSDisabled", text, failed=True)
        found = (self.keys.finding(secret) for secret in sorted({secret for _, secret in subject.tls}))
        return next((finding for finding in found if finding is not None), None)

    def exposure_finding(self, key: ingress.Key) -> status.Finding | None:
        """Return what is wrong with what the Function behind an ingress asks for, ``None`` when nothing is.

        The ingress itself may be served all the same.
        """
        subject = self._entries[key].subject
        _, finding = self.trust.judge(subject)
        if finding is None and subject.own_secret is not None:
            if self._place.secure_port is None:
                text = "this gateway terminates no TLS; remove http.tls, or set the chart's value gateway.tls.enabled"
                return status.Finding("TLSDisabled", text, failed=True)
            finding = self.keys.finding(subject.own_secret)
        return finding or self.sites.finding(key)

    def get(self, key: ingress.Key) -> ingress.Ingress | None:
        """Return the ingress as last read sound."""
        entry = self._entries.get(key)
        return None if entry is None else entry.subject

    def unserved(self, key: ingress.Key) -> list[str]:
        """Return the backends of an ingress that no endpoint serves, as text, with the reason where we refuse one."""
        subject = self.get(key)
        return self.upstreams.unserved(subject.backends) if subject else []

    @property
    def size(self) -> int:
        """Return how many ingresses are held."""
        return len(self._entries)

    # The eventing process

    def hand_over(self, token: str) -> list[ingress.Key]:
        """Hand asynchronous calls and events over to the process that knows ``token``; with an empty one, no longer.

        Returns whose routes are to be made anew for that (``renew``), since they are many.
        """
        place = self._place
        if place.eventing is None or token == self._token:
            return []
        self._token = token
        who = place.eventing
        self.upstreams.hand_over(ingress.Backend(who.namespace, who.service, who.port), token=token)
        for name, scope in eventing.make_scopes(place).items():
            if token:
                self._resources.put(scope)
            else:
                self._resources.remove(wire.SCOPES, name)
        secret = self._event_secret
        if secret is not None:
            self._use_secrets(EVENTS, after={secret})
            self._promise_listener()
        return list(self._entries)

    def renew(self, key: ingress.Key) -> None:
        """Make the routes of an ingress anew, of which something else than itself changed."""
        entry = self._entries.get(key)
        if entry is None:
            return
        policies = self._make_policies(entry.subject)
        entry.scopes = self._make_scopes(entry.subject, policies)
        self._show(key)
        self.sites.put(key, self._make_share(entry.subject, policies))

    @property
    def _event_secret(self) -> ingress.SecretName | None:
        """Return the Secret of the certificate of the hosts of events, ``None`` when they are not served over TLS."""
        given = self._place.eventing.secret if self._place.eventing else None
        return ingress.SecretName(*given) if given and self._place.secure_port is not None else None

    # What Envoy says

    def conclude(self, verdict: delta.Verdict) -> None:
        """Take in what Envoy made of a response; routes it refused are taken back, each other ingress stays served."""
        if verdict.error:
            self.refusals += 1
            log.error("envoy refused %s: %s", verdict.type_url.rsplit(".", 1)[-1], verdict.error)
        if verdict.type_url == wire.SECRET:
            self.keys.conclude(verdict.versions, verdict.error)
        if verdict.type_url != wire.SCOPES:
            return
        self.sites.conclude(verdict.versions, verdict.error)
        asked = self._find_asked(verdict.versions)
        if verdict.error:
            self._refuse(sorted(set(asked.values())), verdict.error)
        else:
            for name, key in asked.items():
                self._entries[key].taken[name] = self._entries[key].scopes[name]
        while self._trials and not self._readmit(self._trials.popleft()):
            pass

    def _find_asked(self, versions: Mapping[str, str]) -> dict[str, ingress.Key]:
        """Return whose scopes are on trial, by name: not those that changed again, nor those that Envoy took before."""
        found = {}
        for name, version in versions.items():
            owner = self._owner(name)
            entry = None if owner is None else self._entries[owner]
            if (
                entry is not None
                and entry.scopes[name].version == version
                and entry.taken.get(name) != entry.scopes[name]
            ):
                found[name] = entry.subject.key
        return found

    def _refuse(self, suspects: list[ingress.Key], error: str) -> None:
        """Take back what the error names, or else everything, to be tried again half by half."""
        named = [key for key in suspects if self._is_named(key, error)]
        for key in named or suspects:
            self._entries[key].refused = error
            self._show(key)
        if not named and len(suspects) > 1:
            half = len(suspects) // 2
            self._trials += [suspects[:half], suspects[half:]]

    def _readmit(self, keys: Iterable[ingress.Key]) -> bool:
        """Offer Envoy again what it refused together with others; say whether there was anything to offer."""
        refused = [key for key in keys if key in self._entries and self._entries[key].refused]
        for key in refused:
            self._entries[key].refused = ""
            self._show(key)
        return bool(refused)

    def _is_named(self, key: ingress.Key, error: str) -> bool:
        return str(key) in error or any(routes.host_of(name) in error for name in self._entries[key].scopes)

    # Within

    def _show(self, key: ingress.Key) -> None:
        """Bring the snapshot up to date with one ingress, of which something else than itself changed."""
        for name in self._entries[key].scopes:
            self._publish_scope(name)
        self._on_finding(key)

    def _claim(self, key: ingress.Key, before: Iterable[str], after: Iterable[str]) -> None:
        """Move the claims of an ingress; tell who wins or loses a host by that."""
        affected: set[ingress.Key | None] = set()
        for name in {*before, *after}:
            owner = self._owner(name)
            holders = self._claims.setdefault(name, set())
            (holders.add if name in after else holders.discard)(key)
            if not holders:
                del self._claims[name]
            if self._owner(name) != owner:
                affected |= {owner, self._owner(name)}
                self.sites.reconsider(name)
            self._publish_scope(name)
        for other in affected - {key, None}:
            assert other is not None
            self._on_finding(other)

    def _publish_scope(self, name: str) -> None:
        if routes.host_of(name) in self._event_hosts:
            return
        owner = self._owner(name)
        resource = self.sites.get(name) if owner is None else self._entries[owner].effective(name)
        if resource is None:
            self._resources.remove(wire.SCOPES, name)
        else:
            self._resources.put(resource)
        if routes.listener_of(name) == "secure":
            served = owner is not None or resource is not None
            if served or name in self._secure_scopes:
                (self._secure_scopes.add if served else self._secure_scopes.discard)(name)
                self._promise_listener()

    def _promise_listener(self) -> None:
        self._resources.promise(wire.LISTENER, "secure", self._make_secure_listener)

    def _make_secure_listener(self) -> wire.Resource | None:
        """Make the listener for all hosts whose owner has a certificate for them that Envoy can use."""
        found = {}
        for name in self._secure_scopes:
            owner, host = self._owner(name), routes.host_of(name)
            secret = self.sites.secret(host) if owner is None else self._entries[owner].certificates.get(host)
            if secret is not None and self.keys.is_sound(secret):
                found[host] = secret
        shown = self._event_secret
        if shown is not None and self._token and self.keys.is_sound(shown):
            found |= dict.fromkeys(self._place.event_hosts, shown)
        return listeners.make_secure_listener(self._place, found)

    def _find_for_secret(self, secret: ingress.SecretName) -> None:
        for key in self._secrets.users(secret) - {EVENTS}:
            self._on_finding(key)

    def _owner(self, name: str) -> ingress.Key | None:
        """Return the ingress that has a scope: the oldest of those that ask for it."""
        holders = self._claims.get(name)
        if not holders:
            return None
        return min(holders, key=lambda holder: self._entries[holder].rank)

    def _use(self, key: ingress.Key, before: ingress.Ingress | None, after: ingress.Ingress | None) -> None:
        """Begin to serve and to read what an ingress newly needs, and end what nobody needs any more."""
        none: frozenset[Any] = frozenset()
        turn = self._backends.change(key, before.backends if before else none, after.backends if after else none)
        for backend in turn.begun:
            self.upstreams.add(backend)
        for backend in turn.ended:
            self.upstreams.drop(backend)
        self._use_secrets(key, before=before.secrets if before else none, after=after.secrets if after else none)

    def _use_secrets(
        self, key: ingress.Key, *, before: Iterable[ingress.SecretName] = (), after: Iterable[ingress.SecretName] = ()
    ) -> None:
        secrets = self._secrets.change(key, before, after)
        for secret in secrets.begun:
            self.keys.want(secret)
        for secret in secrets.ended:
            self.keys.forget(secret)

    def _use_source(self, key: ingress.Key, before: ingress.Ingress | None, after: ingress.Ingress | None) -> None:
        old, new = ([trust.find_source(subject)] if subject else [] for subject in (before, after))
        turn = self._sources.change(key, filter(None, old), filter(None, new))
        for source in turn.begun:
            self.trust.want(source)
        for source in turn.ended:
            self.trust.forget(source)

    def _renew_source(self, source: trust.Source) -> None:
        """Make anew the routes of all who depend on a source."""
        for key in self._sources.users(source):
            self.renew(key)

    def _make_scopes(self, subject: ingress.Ingress, policies: routes.Policies) -> dict[str, wire.Resource]:
        takes_calls = self._takes_calls(subject)
        made = routes.make_scopes(subject, policies, takes_calls=takes_calls)
        if self._place.alias_hosts:
            public = policies.get("public", policy.EMPTY)
            found = alias.make_scope(subject, public, place=self._place, takes_calls=takes_calls)
            made |= {found.name: found} if found else {}
        return made

    def _make_share(self, subject: ingress.Ingress, policies: routes.Policies) -> shares.Share:
        return shares.Share(subject, policies, takes_calls=self._takes_calls(subject))

    def _takes_calls(self, subject: ingress.Ingress) -> bool:
        return bool(self._token) and subject.takes_calls

    def _make_policies(self, subject: ingress.Ingress) -> routes.Policies:
        if subject.exposure.is_plain:
            return {}
        credentials, _ = self.trust.judge(subject)
        http = subject.exposure.http
        return {
            listener: policy.make_policy(http, listener=listener, credentials=credentials, token=self._token)
            for listener in edge.LISTENERS
        }
