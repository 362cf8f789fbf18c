"""Ports for programs that must be told theirs before they listen.

Asking the kernel for a free port and closing it again leaves a moment in which another test, or any outgoing
connection, gets the same one. So ports come from below the range that the kernel gives out, each process of the tests
has a part of it, and none is given twice until the part is used up.
"""

from __future__ import annotations

import itertools
import os
import socket

FIRST = 20_000
PART = 2_000
PARTS = 6
"""20,000 to 31,999: under ``ip_local_port_range``'s default of 32,768."""

_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
_ports = itertools.cycle(range(FIRST + _part * PART, FIRST + (_part + 1) * PART))


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    return list(itertools.islice(filter(_is_free, _ports), count))


def free_port() -> int:
    """Return one such port."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
