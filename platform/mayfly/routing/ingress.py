"""Read a KIngress.

The type: ``knative.dev/networking/pkg/apis/networking/v1alpha1/ingress_types.go``. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from mayfly import errors
from mayfly.model import exposure, labels
from mayfly.routing import fingerprint

CLASS_ANNOTATIONS = ("networking.knative.dev/ingress.class", "networking.knative.dev/ingress-class")
"""Both spellings that Knative reads, the first one found counts (``networking/register.go``)."""

SERVICE_LABEL = "serving.knative.dev/service"
"""Names the Knative Service that an object is made for (``serving/pkg/apis/serving/register.go``)."""

_LABEL = r"[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?"
_HOST = re.compile(rf"^{_LABEL}(\.{_LABEL})*$")
_HEADER_NAME = re.compile(r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")
"""A token of RFC 9110, section 5.6.2."""
_HEADER_VALUE = re.compile(r"^[^\x00-\x08\x0a-\x1f\x7f]*$")
_UNSETTABLE = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that frame or address a message: setting one would break it, and Envoy refuses ``host``."""
MAX_HOST = 253


class SecretName(NamedTuple):
    """Name a Secret of type ``kubernetes.io/tls``."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


Visibility = Literal["ExternalIP", "ClusterLocal"]
Headers = tuple[tuple[str, str], ...]
"""Header names and values, sorted by name."""


class Key(NamedTuple):
    """Name an ingress."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Backend(NamedTuple):
    """Name a port of a Service: by number or by name."""

    namespace: str
    service: str
    port: int | str

    @property
    def cluster(self) -> str:
        """Return the name of its Envoy cluster."""
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Send ``percent`` of a path's requests to ``backend``, with ``headers`` set."""

    backend: Backend
    percent: int
    headers: Headers = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """Match requests by path prefix and exact header values; ``prefix`` is ``/`` when the ingress gives none."""

    prefix: str
    match: Headers
    headers: Headers
    rewrite_host: str | None
    splits: tuple[Split, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """Route the requests for ``hosts``; the first path that matches wins."""

    hosts: tuple[str, ...]
    visibility: Visibility
    paths: tuple[Path, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Ingress:
    """Hold a sound KIngress; ``version`` is Knative's hash of it, ``created`` its RFC 3339 creation time."""

    key: Key
    created: str
    version: str
    redirect: bool
    rules: tuple[Rule, ...]
    tls: tuple[tuple[str, SecretName], ...] = ()
    """Hosts that are served over TLS, sorted, each with the Secret of its certificate."""
    exposure: exposure.Exposure = dataclasses.field(default_factory=exposure.Exposure)
    """What the Function behind it asks of the gateway."""
    exposure_version: str = ""
    """``version_of`` the exposure, empty when the ingress has none."""
    relayed: bool = False
    """Whether another gateway answers behind ours, which knows the hosts of the ingress and no other."""
    function: str = ""
    """Whose requests these are, for logs and metrics."""
    is_function: bool = False
    """Whether a Function of ours is behind it, not a Knative Service of somebody else's."""

    @property
    def takes_calls(self) -> bool:
        """Tell whether it may be called asynchronously."""
        return self.is_function and self.exposure.http.async_

    @property
    def own_hosts(self) -> frozenset[str]:
        """Return the hosts at which the Function answers as a whole, not one tagged revision of it.

        Knative writes the rules by tag, the empty one first (``serving/pkg/reconciler/route/resources/ingress.go``).
        """
        first = {rule.visibility: rule for rule in reversed(self.rules)}
        return frozenset(host for rule in first.values() for host in rule.hosts)

    @property
    def backends(self) -> frozenset[Backend]:
        """Return every backend that gets traffic."""
        return frozenset(split.backend for rule in self.rules for path in rule.paths for split in path.splits)

    @property
    def secrets(self) -> frozenset[SecretName]:
        """Return the Secrets of all its certificates, those of the Function's own hosts among them."""
        own = {self.own_secret} if self.own_secret else set()
        return frozenset({secret for _, secret in self.tls} | own)

    @property
    def own_secret(self) -> SecretName | None:
        """Return the Secret of the certificate of the Function's own hosts, ``None`` without TLS there."""
        tls = self.exposure.http.tls
        return None if tls is None else SecretName(self.key.namespace, tls.secret)


def ingress_class(obj: Mapping[str, Any]) -> str | None:
    """Return the class annotation of an ingress, ``None`` when it has none."""
    annotations = obj["metadata"].get("annotations") or {}
    return next((annotations[name] for name in CLASS_ANNOTATIONS if name in annotations), None)


def parse_ingress(obj: Mapping[str, Any]) -> Ingress:
    """Return the ingress that the API object ``obj`` describes.

    Raises:
        errors.InvalidRoute: a host, path, header or split cannot be served; names the value and the rule.
    """
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    rules = tuple(_parse_rule(rule) for rule in spec.get("rules") or ())
    exposed = (metadata.get("annotations") or {}).get(exposure.ANNOTATION)
    return Ingress(
        key=Key(metadata["namespace"], metadata["name"]),
        created=metadata.get("creationTimestamp") or "",
        version=fingerprint.ingress_hash(obj),
        redirect=spec.get("httpOption") == "Redirected",
        rules=rules,
        tls=_parse_tls(spec.get("tls") or (), rules, namespace=metadata["namespace"]),
        exposure=exposure.Exposure() if exposed is None else _parse_exposure(exposed),
        exposure_version="" if exposed is None else exposure.version_of(exposed),
        function=_find_function(metadata),
        is_function=labels.FUNCTION in (metadata.get("labels") or {}),
    )


def _find_function(metadata: Mapping[str, Any]) -> str:
    """Return the Function that the ingress belongs to, else the Knative Service, else its own name."""
    given = metadata.get("labels") or {}
    return str(given.get(labels.FUNCTION) or given.get(SERVICE_LABEL) or metadata["name"])


def _parse_exposure(text: str) -> exposure.Exposure:
    try:
        return exposure.parse_exposure(text)
    except errors.SpecError as error:
        raise errors.InvalidRoute(str(error)) from error


def _parse_tls(entries: Any, rules: tuple[Rule, ...], *, namespace: str) -> tuple[tuple[str, SecretName], ...]:
    """Return the Secret of each host served over TLS; an entry without hosts means all, the first entry counts."""
    public = {host for rule in rules if rule.visibility == "ExternalIP" for host in rule.hosts}
    local = {host for rule in rules for host in rule.hosts} - public
    found: dict[str, SecretName] = {}
    for entry in entries:
        hosts = {_parse_host(host) for host in entry.get("hosts") or public}
        secret = SecretName(entry.get("secretNamespace") or namespace, entry.get("secretName") or "")
        if not all(len(part) <= MAX_HOST and _HOST.match(part) for part in secret):
            raise errors.InvalidRoute(f"tls of {sorted(hosts)} names no Secret but {str(secret)!r}; set secretName")
        if hosts & local:
            raise errors.InvalidRoute(
                f"tls of the cluster-local host {min(hosts & local)!r} is not served; remove it, in Knative by "
                "cluster-local-domain-tls: Disabled in config-network"
            )
        for host in hosts & public:
            found.setdefault(host, secret)
    return tuple(sorted(found.items()))


def _parse_rule(rule: Mapping[str, Any]) -> Rule:
    visibility: Visibility = "ClusterLocal" if rule.get("visibility") == "ClusterLocal" else "ExternalIP"
    http = rule.get("http") or {}
    hosts = tuple(_parse_host(host) for host in rule.get("hosts") or ("",))
    return Rule(hosts, visibility, tuple(_parse_path(path) for path in http.get("paths") or ()))


def _parse_host(host: str) -> str:
    if len(host) > MAX_HOST or not _HOST.match(host):
        raise errors.InvalidRoute(
            f"host {host[:300]!r} is not a DNS name (letters, digits, '-', dots; no wildcard; at most {MAX_HOST} "
            "characters); name each host in the ingress rule"
        )
    return host.lower()


def _parse_path(path: Mapping[str, Any]) -> Path:
    prefix = path.get("path") or "/"
    if not prefix.startswith("/") or re.search(r"[\x00-\x20\x7f]", prefix):
        raise errors.InvalidRoute(f"path {prefix!r} must begin with '/' and hold no space or control character")
    splits = tuple(_parse_splits(path.get("splits") or ()))
    if not splits:
        raise errors.InvalidRoute(f"path {prefix!r} sends no traffic anywhere; give at least one split with a percent")
    match = {name: rule.get("exact", "") for name, rule in (path.get("headers") or {}).items()}
    rewrite = path.get("rewriteHost") or None
    return Path(
        prefix=prefix,
        match=_parse_headers(match),
        headers=_parse_headers(path.get("appendHeaders") or {}, settable=True),
        rewrite_host=None if rewrite is None else _parse_host(rewrite),
        splits=splits,
    )


def _parse_splits(splits: Any) -> list[Split]:
    """Return the splits that get traffic; a single one gets all of it whatever its percent says."""
    found = [
        Split(
            backend=Backend(split["serviceNamespace"], split["serviceName"], split["servicePort"]),
            percent=int(split.get("percent") or 0) if len(splits) > 1 else 100,
            headers=_parse_headers(split.get("appendHeaders") or {}, settable=True),
        )
        for split in splits
    ]
    return [split for split in found if split.percent > 0]


def _parse_headers(headers: Mapping[str, str], *, settable: bool = False) -> Headers:
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value):
            raise errors.InvalidRoute(f"header {name!r}: {value!r} is not a header (RFC 9110, section 5); correct it")
        if settable and name.lower() in _UNSETTABLE:
            raise errors.InvalidRoute(f"header {name!r} frames or addresses the message and cannot be set; remove it")
    return tuple(sorted((name.lower(), value) for name, value in headers.items()))
