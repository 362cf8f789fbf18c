"""Keep the hosts that Functions name themselves, each shared by the Functions of one namespace."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping

from mayfly.routing import ingress, routes, sites, status, wire


class Sites:
    """Hold who serves what of each host.

    ``publish`` is called with the name of a scope that may have changed, ``on_finding`` with the ingress of a Function
    whose state may have, and ``find_owner`` tells which ingress claims a scope for itself: it goes before any Function.
    Hosts that are ``taken`` are the gateway's own.
    """

    def __init__(
        self,
        *,
        publish: Callable[[str], None],
        on_finding: Callable[[ingress.Key], None],
        find_owner: Callable[[str], ingress.Key | None],
        taken: frozenset[str] = frozenset(),
    ) -> None:
        self._publish = publish
        self._on_finding = on_finding
        self._find_owner = find_owner
        self._taken_hosts = taken
        self._shares: dict[str, dict[ingress.Key, sites.Share]] = {}
        self._hosts: dict[ingress.Key, tuple[str, ...]] = {}
        self._made: dict[str, dict[str, wire.Resource]] = {}
        self._taken: dict[str, wire.Resource] = {}
        """What Envoy took last, by scope."""
        self._conflicts: dict[str, list[sites.Conflict]] = {}
        self._refused: dict[str, str] = {}
        """Why Envoy refused a host."""
        self._trials: collections.deque[str] = collections.deque()
        """Refused hosts that are tried again one by one, to find the one to blame."""

    def put(self, key: ingress.Key, share: sites.Share | None) -> None:
        """Take in what a Function serves of which hosts; ``None`` says nothing any more."""
        before = self._hosts.pop(key, ())
        after = share.subject.exposure.http.hosts if share else ()
        if share and after:
            self._hosts[key] = after
        for host in dict.fromkeys((*before, *after)):
            held = self._shares.setdefault(host, {})
            if share and host in after:
                held[key] = share
            else:
                held.pop(key, None)
            self._make(host)

    def get(self, scope: str) -> wire.Resource | None:
        """Return what Envoy should have for a scope, ``None`` when no Function serves its host."""
        host = routes.host_of(scope)
        return self._taken.get(scope) if host in self._refused else self._made.get(host, {}).get(scope)

    def secret(self, host: str) -> ingress.SecretName | None:
        """Return the Secret of a host's certificate: that of the oldest Function which has one."""
        return next((share.subject.own_secret for share in self._ranked(host) if share.subject.own_secret), None)

    def finding(self, key: ingress.Key) -> status.Finding | None:
        """Return what is wrong with the hosts of a Function, ``None`` when nothing is."""
        for host in self._hosts.get(key, ()):
            if host in self._taken_hosts:
                return _fail("HostTaken", f"host {host!r} is where this gateway takes events; name another")
            owner = self._find_owner(routes.scope_name("internal", host))
            if owner is not None:
                return _fail("HostTaken", f"host {host!r} is served by ingress {owner}; name another in http.hosts")
            first = self._ranked(host)[0].subject.key
            if first.namespace != key.namespace:
                return _fail(
                    "HostTaken",
                    f"host {host!r} belongs to namespace {first.namespace!r}, whose Function "
                    f"{first.name!r} named it first; name another in http.hosts",
                )
            if host in self._refused:
                return _fail("RefusedByProxy", f"Envoy refused the routes of host {host!r}: {self._refused[host]}")
            for conflict in self._conflicts[host]:
                if conflict.loser == key:
                    return _fail(
                        "PathTaken",
                        f"{_describe(conflict)} of host {host!r} is served by the older Function "
                        f"{conflict.winner.name!r}; change http.paths of one of the two",
                    )
        return None

    def conclude(self, versions: Mapping[str, str], error: str) -> None:
        """Take in what Envoy made of scopes; a host that it refused goes back to what it took last."""
        asked = {name: made for name in versions if (made := self._find_asked(name, versions[name])) is not None}
        if not error:
            self._taken |= asked
        else:
            suspects = sorted({routes.host_of(name) for name in asked})
            named = [host for host in suspects if host in error]
            for host in named or suspects:
                self._refused[host] = error
                self._show(host)
            if not named and len(suspects) > 1:
                self._trials += suspects
        while self._trials:
            host = self._trials.popleft()
            if self._refused.pop(host, None) is not None:
                self._show(host)
                return

    def reconsider(self, scope: str) -> None:
        """Tell the Functions of a host that an ingress took it for itself, or gave it up."""
        for key in self._shares.get(routes.host_of(scope), ()):
            self._on_finding(key)

    def _find_asked(self, scope: str, version: str) -> wire.Resource | None:
        """Return the scope if it is on trial: not if it changed again, nor if Envoy took it before."""
        made = self._made.get(routes.host_of(scope), {}).get(scope)
        on_trial = made is not None and made.version == version and self._taken.get(scope) != made
        return made if on_trial and self._find_owner(scope) is None else None

    def _ranked(self, host: str) -> list[sites.Share]:
        return sorted(self._shares.get(host, {}).values(), key=lambda share: share.rank)

    def _make(self, host: str) -> None:
        ranked = self._ranked(host)
        ours = [share for share in ranked if share.subject.key.namespace == ranked[0].subject.key.namespace]
        self._refused.pop(host, None)
        self._conflicts[host] = sites.find_conflicts(ours)
        self._made[host] = sites.make_scopes(host, ours, secure=self.secret(host) is not None) if ours else {}
        if not ours:
            del self._shares[host], self._conflicts[host], self._made[host]
            for name in sites.scope_names(host):
                self._taken.pop(name, None)
        self._show(host)

    def _show(self, host: str) -> None:
        for name in sites.scope_names(host):
            self._publish(name)
        for key in self._shares.get(host, ()):
            self._on_finding(key)


def _fail(reason: str, message: str) -> status.Finding:
    return status.Finding(reason, message, failed=True)


def _describe(conflict: sites.Conflict) -> str:
    methods = ", ".join(conflict.path.methods)
    return f"path {conflict.path.path!r}" + (f" ({methods})" if methods else "")
