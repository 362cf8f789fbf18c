"""Make the routes of the hosts that Functions name themselves (``spec.http.hosts``). Pure.

Functions of one namespace may share such a host and divide its paths; of two that ask for the same path the older one
gets it. A path is served from where the Function's own public address is served: same revisions, same split.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2

from mayfly.model import exposure
from mayfly.routing import edge, ingress, policy, routes, wire


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """What one Function serves of a host."""

    subject: ingress.Ingress
    policies: routes.Policies = dataclasses.field(default_factory=dict)

    @property
    def rank(self) -> tuple[str, ingress.Key]:
        """Return the order in which Functions get a path: the oldest first."""
        return self.subject.created, self.subject.key

    @property
    def paths(self) -> tuple[exposure.Path, ...]:
        """Return what it asks for."""
        return self.subject.exposure.http.paths or (exposure.Path(),)


@dataclasses.dataclass(frozen=True, slots=True)
class Conflict:
    """Say that ``loser`` does not get ``path``, because ``winner`` asked first."""

    loser: ingress.Key
    winner: ingress.Key
    path: exposure.Path


def find_conflicts(shares: Sequence[Share]) -> list[Conflict]:
    """Return the paths that more than one Function asks for; ``shares`` are ordered by rank."""
    return list(_divide(shares)[1])


def make_scopes(host: str, shares: Sequence[Share], *, secure: bool) -> dict[str, wire.Resource]:
    """Return the scopes of a host by name; ``shares`` are ordered by rank, ``secure`` says whether it has TLS."""
    granted, _ = _divide(shares)
    made = {}
    for listener in edge.LISTENERS:
        if listener == "secure" and not secure:
            continue
        found = [route for share, path in granted for route in _make_routes(share, path, listener=listener)]
        scope = routes.make_scope(listener, host, routes.make_route_configuration(f"host {host}", found))
        made[scope.name] = scope
    return made


def scope_names(host: str) -> Iterator[str]:
    """Return the names of the scopes that a host may have."""
    return (routes.scope_name(listener, host) for listener in edge.LISTENERS)


def _divide(shares: Iterable[Share]) -> tuple[list[tuple[Share, exposure.Path]], list[Conflict]]:
    """Return who serves which path, the most specific one first, and who got nothing."""
    granted: list[tuple[Share, exposure.Path]] = []
    conflicts = []
    for share in shares:
        for path in share.paths:
            other = next((held for held, taken in granted if _collide(path, taken)), None)
            if other is None:
                granted.append((share, path))
            elif other.subject.key != share.subject.key:
                conflicts.append(Conflict(share.subject.key, other.subject.key, path))
    granted.sort(key=lambda found: (not found[1].exact, -len(_stem(found[1])), not found[1].methods))
    return granted, conflicts


def _collide(one: exposure.Path, other: exposure.Path) -> bool:
    """Tell whether two paths would get the same requests with nothing to say which is meant."""
    if (_stem(one), one.exact, bool(one.methods)) != (_stem(other), other.exact, bool(other.methods)):
        return False
    return not one.methods or bool(set(one.methods) & set(other.methods))


def _stem(path: exposure.Path) -> str:
    """Return the path without a slash at its end, which makes no difference to a prefix."""
    return path.path if path.exact else path.path.rstrip("/")


def _make_routes(share: Share, path: exposure.Path, *, listener: edge.Listener) -> Iterator[route_components_pb2.Route]:
    tls = share.subject.exposure.http.tls
    redirect = listener == "public" and tls is not None and tls.redirect
    protection = share.policies.get(listener, policy.EMPTY)
    for origin in _find_origins(share.subject):
        yield routes.mark_probe(_aim(routes.make_route(share.subject, origin), share, path), share.subject)
        route = _aim(routes.make_route(share.subject, origin), share, path)
        if redirect:
            route.redirect.https_redirect = True
        else:
            protection.apply(route)
        yield route


def _find_origins(subject: ingress.Ingress) -> Iterator[ingress.Path]:
    """Return what the Function's own public address is made of; a gateway behind ours knows no other."""
    public = next((rule for rule in subject.rules if rule.visibility == "ExternalIP"), None)
    for path in public.paths if public else ():
        yield dataclasses.replace(path, rewrite_host=public.hosts[0]) if public and subject.relayed else path


def _aim(route: route_components_pb2.Route, share: Share, path: exposure.Path) -> route_components_pb2.Route:
    """Return ``route`` with the match and the rewrite that ``path`` asks for."""
    stem = _stem(path)
    if path.exact:
        route.match.path = stem
    elif stem:
        route.match.path_separated_prefix = stem
    else:
        route.match.prefix = "/"
    if path.methods:
        # A browser asks by OPTIONS whether a page may use the other methods.
        methods = {*path.methods, *(["OPTIONS"] if share.subject.exposure.http.cors else [])}
        matcher = route.match.headers.add(name=":method")
        matcher.string_match.safe_regex.regex = "|".join(sorted(map(re.escape, methods)))
    if path.rewrite is not None:
        route.route.regex_rewrite.CopyFrom(make_rewrite(path, path.rewrite))
    return route


def make_rewrite(path: exposure.Path, target: str) -> regex_pb2.RegexMatchAndSubstitute:
    """Return the order to put ``target`` in place of what ``path`` matched.

    Envoy's own prefix rewrite would turn ``/thumb/a`` with ``/`` into ``//a``.
    """
    stem, base = _stem(path), target.rstrip("/")
    if path.exact:
        pattern, text = "^.*$", target
    elif base and stem:
        pattern, text = f"^{re.escape(stem)}", base
    else:
        pattern, text = f"^{re.escape(stem)}/*", f"{base}/"
    return regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=pattern), substitution=text.replace("\\", r"\\")
    )
