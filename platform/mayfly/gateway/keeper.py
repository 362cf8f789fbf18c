"""Keep control running: ``python -m mayfly.gateway.keeper``, the first process of its container.

A pod with a container that is down is not ready, and Kubernetes withdraws its address, whatever the other container
does. An Envoy that serves would be taken out of service because control fell, and stay out while the kubelet backs off
from starting it again; where all controls fall at once, the gateway would be gone. Control is therefore a child of this
process, which starts it again; the container stays up. Whether the pod is ready is Envoy's to say.

It imports little, since it needs memory for as long as the pod lives.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mayfly import logs

log = logging.getLogger(__name__)

CONTROL = (sys.executable, "-P", "-m", "mayfly.gateway")
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds."""

    first: float = 0.2
    """Before control is started again; twice as long each time that it did not last."""
    longest: float = 10.0
    lasting: float = 60.0
    """Who ran so long is started again as if for the first time."""
    silence: float = 60.0
    """Without an answer to ``/healthz`` for so long control hangs, and is killed."""
    step: float = 5.0
    """Between two questions, and the longest wait for an answer."""


class Keeper:
    """Run one command again and again until asked to end; make it in the main thread, for signals arrive there."""

    def __init__(self, command: Sequence[str], *, port: int, patience: Patience) -> None:
        self._command = command
        self._port = port
        self._patience = patience
        self._ending = False
        self._bell, bell = os.pipe()
        os.set_blocking(bell, False)
        signal.set_wakeup_fd(bell)
        for number in (*ENDING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def run(self) -> None:
        """Return when SIGTERM or SIGINT came and the command, asked to, has ended."""
        pause = self._patience.first
        while not self._ending:
            started = time.monotonic()
            with subprocess.Popen(self._command) as child:  # noqa: S603  (our own command)
                code = self._attend(child)
            lived = time.monotonic() - started
            if self._ending:
                return
            pause = self._patience.first if lived >= self._patience.lasting else pause
            log.error("control ended with %d after %.1f s; starting it again in %.1f s", code, lived, pause)
            self._rest_until(time.monotonic() + pause)
            pause = min(2 * pause, self._patience.longest)

    def _attend(self, child: subprocess.Popen[bytes]) -> int:
        """Return the child's exit code once it has ended; kill it when it hangs, ask it to end when we are."""
        heard = time.monotonic()
        while child.poll() is None:
            self._rest(self._patience.step)
            if self._ending:
                child.terminate()
                return child.wait()
            if answers(self._port, seconds=self._patience.step):
                heard = time.monotonic()
            elif child.poll() is None and time.monotonic() - heard > self._patience.silence:
                log.error("control has not answered for %.0f s; killing it", time.monotonic() - heard)
                child.kill()
        return child.wait()

    def _rest_until(self, moment: float) -> None:
        while not self._ending and (left := moment - time.monotonic()) > 0:
            self._rest(left)

    def _rest(self, seconds: float) -> None:
        """Wait, at most until a signal comes."""
        if select.select([self._bell], [], [], seconds)[0]:
            self._ending = self._ending or not ENDING.isdisjoint(os.read(self._bell, 512))


def answers(port: int, *, seconds: float) -> bool:
    """Say whether ``/healthz`` on this machine is answered with 200 in time."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def main() -> None:
    """Keep control running until asked to end."""
    logs.configure()
    parser = argparse.ArgumentParser(prog="python -m mayfly.gateway.keeper", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True, help="where control answers /healthz")
    Keeper(CONTROL, port=parser.parse_args().port, patience=Patience()).run()


if __name__ == "__main__":
    main()
