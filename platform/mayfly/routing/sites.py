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

from mayfly.model import exposure, handover
from mayfly.routing import asynchronous, edge, ingress, policy, routes, wire


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """What one Function serves of a host."""

    subject: ingress.Ingress
    policies: routes.Policies = dataclasses.field(default_factory=dict)
    takes_calls: bool = False
    """Whether it can be called asynchronously: it may be, and there is somebody to hand calls over to."""

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
    taken = any(share.takes_calls for share, _ in granted)
    # Sorted once more, as asynchronous calls have paths of their own; the order of equals stays.
    groups = [group for share, path in granted for group in _find_groups(share, path, taken=taken)]
    groups.sort(key=lambda group: _specificity(group.path))
    made = {}
    for listener in edge.LISTENERS:
        if listener == "secure" and not secure:
            continue
        # What stands alone protects the whole host, so that calls of all kinds count together.
        whole = granted[0][0].policies.get(listener, policy.EMPTY) if len(granted) == 1 else policy.EMPTY
        found = [route for group in groups for route in _make_group(group, listener, whole)]
        scope = routes.make_scope(listener, host, routes.make_route_configuration(f"host {host}", found, whole))
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
    granted.sort(key=lambda found: _specificity(found[1]))
    return granted, conflicts


def _specificity(path: exposure.Path) -> tuple[bool, int, bool]:
    """Return what paths are sorted by: exact, then long, then some methods only."""
    return not path.exact, -len(_stem(path)), not path.methods


def _collide(one: exposure.Path, other: exposure.Path) -> bool:
    """Tell whether two paths would get the same requests with nothing to say which is meant."""
    if (_stem(one), one.exact, bool(one.methods)) != (_stem(other), other.exact, bool(other.methods)):
        return False
    return not one.methods or bool(set(one.methods) & set(other.methods))


def _stem(path: exposure.Path) -> str:
    """Return the path without a slash at its end, which makes no difference to a prefix."""
    return path.path if path.exact else path.path.rstrip("/")


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """Requests of a Function that stand at one place in the order."""

    share: Share
    granted: exposure.Path
    path: exposure.Path
    """What they are found by: of asynchronous calls not always what was granted."""
    mark: str | None = None
    """Which mark of the listener they have, empty for any; ``None``: they are calls to be answered at once."""


def _find_groups(share: Share, path: exposure.Path, *, taken: bool) -> Iterator[_Group]:
    """Return what leads to a Function by a path of its own; what is marked goes first.

    Calls are at the path itself, and with ``/async`` in front. Whoever made one asks for its outcome below the path,
    by GET, whatever methods it has, and however exact it is. A Function that takes no calls refuses them, where
    ``taken`` says that they are taken by others of the host, who would else get its.
    """
    stem = path.path.rstrip("/")
    if taken and not f"{stem}/".startswith(f"{handover.ASYNC_PREFIX}/"):
        if share.takes_calls:
            yield _Group(share, path, path, mark="")
        if stem or path.exact:
            yield _Group(share, path, _move(path, f"{handover.ASYNC_PREFIX}{path.path}"), mark="")
        if share.takes_calls and (path.methods or path.exact):
            below = f"{stem}/invocations" if path.exact else path.path
            yield _Group(share, path, _move(exposure.Path(), below), mark=handover.READ)
    yield _Group(share, path, path)


def _move(path: exposure.Path, to: str) -> exposure.Path:
    return path.model_copy(update={"path": to})


def _make_group(group: _Group, listener: edge.Listener, whole: policy.Policy) -> Iterator[route_components_pb2.Route]:
    """Yield the routes of a group; ``whole`` is what the host enforces, if it does so for all of them."""
    subject = group.share.subject
    for origin in _find_origins(subject):
        if group.mark is not None:
            yield _protect(_make_marked(group, group.mark), group.share, listener, whole)
            return  # whatever revision is to answer: there is no other place for calls
        probe = routes.mark_probe(_aim(routes.make_route(subject, origin), group), subject)
        whole.exempt(probe)
        yield probe
        yield _protect(_aim(routes.make_route(subject, origin), group), group.share, listener, whole)


def _protect(
    route: route_components_pb2.Route, share: Share, listener: edge.Listener, whole: policy.Policy
) -> route_components_pb2.Route:
    """Return ``route`` with the policy of its Function, or as a redirect to HTTPS."""
    tls = share.subject.exposure.http.tls
    if listener == "public" and tls is not None and tls.redirect:
        route.redirect.https_redirect = True
        whole.exempt(route)
    elif whole is policy.EMPTY:
        share.policies.get(listener, policy.EMPTY).apply(route)
    return route


def _find_origins(subject: ingress.Ingress) -> Iterator[ingress.Path]:
    """Return what the Function's own public address is made of; a gateway behind ours knows no other."""
    public = next((rule for rule in subject.rules if rule.visibility == "ExternalIP"), None)
    for path in public.paths if public else ():
        yield dataclasses.replace(path, rewrite_host=public.hosts[0]) if public and subject.relayed else path


def _make_marked(group: _Group, mark: str) -> route_components_pb2.Route:
    """Return the route to the eventing process; what is rewritten begins with ``/async``, which is taken off there."""
    match = route_components_pb2.RouteMatch()
    _find_by(match, group)
    route = asynchronous.make_route(group.share.subject, match, stem=group.granted.path.rstrip("/"), only=mark)
    if group.granted.rewrite is not None and not mark:
        route.route.regex_rewrite.CopyFrom(make_rewrite(group.granted, group.granted.rewrite, call=True))
    return route


def _aim(route: route_components_pb2.Route, group: _Group) -> route_components_pb2.Route:
    """Return ``route`` with the match and the rewrite that the path asks for."""
    _find_by(route.match, group)
    if group.path.rewrite is not None:
        route.route.regex_rewrite.CopyFrom(make_rewrite(group.path, group.path.rewrite))
    return route


def _find_by(match: route_components_pb2.RouteMatch, group: _Group) -> None:
    path, stem = group.path, _stem(group.path)
    if path.exact:
        match.path = stem
    elif stem:
        match.path_separated_prefix = stem
    else:
        match.prefix = "/"
    if path.methods:
        # A browser asks by OPTIONS whether a page may use the other methods.
        methods = {*path.methods, *(["OPTIONS"] if group.share.subject.exposure.http.cors else [])}
        matcher = match.headers.add(name=":method")
        matcher.string_match.safe_regex.regex = "|".join(sorted(map(re.escape, methods)))


def make_rewrite(path: exposure.Path, target: str, *, call: bool = False) -> regex_pb2.RegexMatchAndSubstitute:
    """Return the order to put ``target`` in place of what ``path`` matched.

    Envoy's own prefix rewrite would turn ``/thumb/a`` with ``/`` into ``//a``. Of a ``call`` to be carried out later
    the path may begin with ``/async``, and does so afterwards.
    """
    stem, base = _stem(path), target.rstrip("/")
    front, optional = (handover.ASYNC_PREFIX, f"({handover.ASYNC_PREFIX})?") if call else ("", "")
    if path.exact:
        pattern, text = "^.*$", f"{front}{target}"
    elif base and stem:
        pattern, text = f"^{optional}{re.escape(stem)}", f"{front}{base}"
    elif stem or not call:
        pattern, text = f"^{optional}{re.escape(stem)}/*", f"{front}{base}/"
    else:
        # Not of ``/asynchronous``.
        pattern, text = f"^({handover.ASYNC_PREFIX}/+|/*)", f"{front}{base}/"
    return regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=pattern), substitution=text.replace("\\", r"\\")
    )
