"""Let Envoy finish: ``python -m mayfly.gateway.drain``, the pre-stop hook of its container.

Kubernetes withdraws the endpoints of an ending pod while this runs. Envoy meanwhile asks kept connections to go
(``Connection: close``, GOAWAY) and still answers everything, so that nobody is cut off when it gets SIGTERM.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import re
import socket
import time
from pathlib import Path

from mayfly import errors, logs
from mayfly.gateway import bootstrap

log = logging.getLogger(__name__)

WITHDRAWAL_SECONDS = 5.0
"""How long other nodes may need to learn that the pod is ending."""
DEADLINE_SECONDS = 45.0
"""Longest wait for requests under way; the pod's grace period must be longer."""
STEP_SECONDS = 0.5
ADMIN_SECONDS = 5.0
ACTIVE = re.compile(r"^http\.(?:public|internal|secure)\.downstream_rq_active: (\d+)$", re.MULTILINE)


class _Admin(http.client.HTTPConnection):
    """Speak HTTP to Envoy's admin socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=ADMIN_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ADMIN_SECONDS)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, page: str) -> str:
    """Return a page of the admin interface.

    Raises:
        errors.GatewayError: Envoy does not answer or refuses.
    """
    connection = _Admin(path)
    try:
        connection.request(method, page)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise errors.GatewayError(f"Envoy's admin socket {path} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise errors.GatewayError(f"Envoy answered {answer.status} to {method} {page}: {text[:200]}")
    return text


def count_active(stats: str) -> int:
    r"""Return how many requests are under way, by Envoy's ``/stats`` text.

    >>> count_active("http.public.downstream_rq_active: 2\nhttp.internal.downstream_rq_active: 1")
    3
    """
    return sum(int(number) for number in ACTIVE.findall(stats))


def drain(path: Path, *, withdrawal_seconds: float, deadline_seconds: float) -> bool:
    """Have Envoy fail its readiness and wait until nothing is under way; say whether that came before the deadline."""
    started = time.monotonic()
    ask(path, "POST", "/healthcheck/fail")
    while (passed := time.monotonic() - started) < deadline_seconds:
        active = count_active(ask(path, "GET", "/stats?filter=downstream_rq_active"))
        if passed >= withdrawal_seconds and active == 0:
            return True
        time.sleep(STEP_SECONDS)
    log.warning("requests are still under way after %.0f s", deadline_seconds)
    return False


def main() -> None:
    """Drain Envoy; an Envoy that is already gone is drained."""
    logs.configure()
    parser = argparse.ArgumentParser(prog="python -m mayfly.gateway.drain", description=main.__doc__)
    parser.add_argument("--withdrawal-seconds", type=float, default=WITHDRAWAL_SECONDS)
    parser.add_argument("--deadline-seconds", type=float, default=DEADLINE_SECONDS)
    given = parser.parse_args()
    socket_path = bootstrap.EnvoySettings().envoy_admin_socket
    try:
        drain(socket_path, withdrawal_seconds=given.withdrawal_seconds, deadline_seconds=given.deadline_seconds)
    except errors.GatewayError as error:
        log.warning("%s", error)


if __name__ == "__main__":
    main()
