"""Where the gateway stands. Pure."""

from __future__ import annotations

import dataclasses

LOOPBACK = "127.0.0.1"


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """Hold the listeners' address and ports, and the host names of the Services in front of them."""

    public_port: int
    internal_port: int
    public_host: str
    internal_host: str
    address: str = "0.0.0.0"  # noqa: S104  (the listeners are there to be reached)

    def own_listener(self, host: str) -> tuple[str, int] | None:
        """Return where the gateway itself answers for ``host``, ``None`` for any other name."""
        port = {self.public_host: self.public_port, self.internal_host: self.internal_port}.get(host.rstrip("."))
        return None if port is None else (LOOPBACK, port)
