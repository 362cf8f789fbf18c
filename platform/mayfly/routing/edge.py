"""Where the gateway stands. Pure."""

from __future__ import annotations

import dataclasses
from typing import Literal

LOOPBACK = "127.0.0.1"

Listener = Literal["public", "internal", "secure"]
LISTENERS: tuple[Listener, ...] = ("public", "internal", "secure")


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """Hold the listeners' address and ports, and the host names of the Services in front of them.

    ``secure_port`` is ``None`` when the gateway terminates no TLS.
    """

    public_port: int
    internal_port: int
    public_host: str
    internal_host: str
    secure_port: int | None = None
    address: str = "0.0.0.0"  # noqa: S104  (the listeners are there to be reached)

    def port(self, listener: Listener) -> int | None:
        """Return the port of a listener, ``None`` when there is no such listener."""
        return {"public": self.public_port, "internal": self.internal_port, "secure": self.secure_port}[listener]

    def own_listener(self, host: str) -> tuple[str, int] | None:
        """Return where the gateway itself answers for ``host``, ``None`` for any other name."""
        port = {self.public_host: self.public_port, self.internal_host: self.internal_port}.get(host.rstrip("."))
        return None if port is None else (LOOPBACK, port)
