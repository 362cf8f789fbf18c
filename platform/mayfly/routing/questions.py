"""Decide what to ask the data plane to learn which version of an ingress it serves. Pure.

Knative's own way (``knative.dev/networking/pkg/status``): a request with ``K-Network-Hash: override`` crosses the
route to its backend; activator and queue-proxy answer it themselves, so it wakes nothing. Our routes also put the
hash on the answer, so that a backend which knows nothing of probes cannot hide it, and say what Envoy itself had to
object to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mayfly.model import exposure
from mayfly.routing import ingress, routes

HEADERS = {
    "User-Agent": "Knative-Ingress-Probe",
    "K-Network-Probe": routes.PROBE_ASK,
    "K-Network-Hash": routes.HASH_ASK,
}
PATH = "healthz"
"""``networking/pkg/http.HealthCheckPath``."""


class Question(NamedTuple):
    """Ask ``listener`` by ``method`` for ``path`` of ``host`` with ``headers``."""

    listener: routes.Listener
    host: str
    path: str
    headers: Mapping[str, str]
    method: str = "GET"


def make_questions(subject: ingress.Ingress) -> Iterator[Question]:
    """Give one question for each path of each rule on each listener that serves it."""
    for listener in routes.LISTENERS:
        for rule in routes.visible_rules(subject, listener):
            for path in rule.paths:
                yield Question(listener, rule.hosts[0], f"{path.prefix.rstrip('/')}/{PATH}", HEADERS | dict(path.match))


def make_own_questions(subject: ingress.Ingress) -> Iterator[Question]:
    """Give one question for each path of each host that the Function names itself."""
    http = subject.exposure.http
    listeners: tuple[routes.Listener, ...] = ("public", "secure") if http.tls else ("public",)
    for listener in listeners:
        for host in http.hosts:
            for path in http.paths or (exposure.Path(),):
                method = path.methods[0] if path.methods else "GET"
                yield Question(listener, host, path.path, HEADERS, method)


def judge(subject: ingress.Ingress, headers: Mapping[str, str]) -> str:
    """Return why the answer with ``headers`` does not prove that this version serves; empty when it does."""
    version = headers.get(routes.HASH_HEADER)
    if version is None:
        return "the route is not programmed yet"
    if version != subject.version:
        return "an older version of the route still serves"
    if headers.get(routes.EXPOSURE_HEADER, "") != subject.exposure_version:
        return "an older version of spec.http still serves"
    flags = headers.get(routes.FLAGS_HEADER, routes.NO_FLAGS)
    return "" if flags == routes.NO_FLAGS else f"the route is programmed, but no endpoint answers ({flags})"
