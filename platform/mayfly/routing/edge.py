"""Where the gateway stands. Pure."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mayfly.model import names
from mayfly.routing import observation

LOOPBACK = "127.0.0.1"

Listener = Literal["public", "internal", "secure", "alias"]
LISTENERS: tuple[Listener, ...] = ("public", "internal", "secure")
"""Those that stand at a port; ``alias`` is what the public ones make of a path that names a function."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Say how long a client may take, in seconds. Tests shorten it; the defaults are what is installed."""

    handshake: float = 10
    """For its TLS handshake; then it is hung up on."""
    headers: float = 10
    """To say what it wants; then it is answered 408."""
    request: float = 300
    """To send a whole request; then it is answered 408. Knative's own default for a request."""
    silence: float = 660
    """Without a byte either way within a request; over Knative's largest function timeout of 600 s."""
    idle: float = 300
    """Between requests on a kept connection; then it is closed."""
    flush: float = 60
    """To read the rest of an answer that the function has ended; then the rest is dropped."""
    farewell: float = 1
    """To take note of being hung up on, so that it reads why; Envoy's own default."""


@dataclasses.dataclass(frozen=True, slots=True)
class Eventing:
    """Say who takes asynchronous calls and events, a port of a Service, and at which hosts events are posted."""

    namespace: str
    service: str
    port: int
    hosts: tuple[str, ...] = ()
    """Public ones, beside the names of the Service ``names.EVENTS_SERVICE``."""
    secret: tuple[str, str] | None = None
    """Namespace and name of the Secret with the certificate of these hosts; ``None``: they are not served over TLS."""
    alias: bool = False
    """Whether the alias hosts take asynchronous calls the way OpenFaaS has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """Hold the listeners' address and ports, the host names of the Services in front of them, and whom to believe.

    ``secure_port`` is ``None`` when the gateway terminates no TLS. ``trusted_proxies`` are the networks (CIDR) whose
    ``X-Forwarded-*`` are believed. ``external_names`` are the DNS names that Services of type ExternalName may give;
    one with a dot in front stands for all names below it.
    """

    public_port: int
    internal_port: int
    public_host: str
    internal_host: str
    secure_port: int | None = None
    relays: bool = False
    """Whether the ingresses are another gateway's and ours stands in front of it."""
    address: str = "0.0.0.0"  # noqa: S104  (the listeners are there to be reached)
    observation: observation.Observation = dataclasses.field(default_factory=observation.Observation)
    limits: Limits = Limits()
    trusted_proxies: tuple[str, ...] = ()
    external_names: tuple[str, ...] = ()
    alias_hosts: tuple[str, ...] = ()
    """Hosts at which functions are found by path; none switches that off."""
    alias_namespace: str = "default"
    """Namespace of a function whose path names none."""
    eventing: Eventing | None = None
    """Who takes asynchronous calls and events; ``None``: nobody."""

    @property
    def event_hosts(self) -> tuple[str, ...]:
        """Return the public hosts at which events are posted; nobody else gets them."""
        return () if self.eventing is None else tuple(host.lower() for host in self.eventing.hosts)

    @property
    def local_event_hosts(self) -> tuple[str, ...]:
        """Return the names at which callers in the cluster post events, as short as Kubernetes resolves them."""
        _, _, domain = self.internal_host.partition(".")
        if self.eventing is None or not domain:
            return ()
        parts = domain.split(".")
        found = (".".join((names.EVENTS_SERVICE, *parts[:count])) for count in (1, 2, len(parts)))
        return tuple(dict.fromkeys(found))

    def port(self, listener: Listener) -> int | None:
        """Return the port of a listener, ``None`` when there is no such listener."""
        return {"public": self.public_port, "internal": self.internal_port, "secure": self.secure_port}.get(listener)

    def own_listener(self, host: str) -> tuple[str, int] | None:
        """Return where the gateway itself answers for ``host``, ``None`` for any name but the internal listener's.

        That is the only name that Knative writes into Services, and only there circles are found.
        """
        return (LOOPBACK, self.internal_port) if host.rstrip(".").lower() == self.internal_host else None

    def follows(self, host: str) -> bool:
        """Say whether a Service of type ExternalName may lead to ``host``.

        Whoever may write a Service chooses the name, and whoever owns the name chooses the address: any name may
        resolve to a loopback, metadata or cluster address, as ``127-0-0-1.x.pod.cluster.local`` does by design. Envoy
        cannot restrict what a name resolves to, so the operator says which names are sound. The gateway's own name,
        the only one that Knative itself writes, is never looked up.
        """
        name = host.rstrip(".").lower()
        suffixes = tuple(allowed.lower() for allowed in self.external_names if allowed.startswith("."))
        return self.own_listener(name) is not None or name in self.external_names or name.endswith(suffixes)
