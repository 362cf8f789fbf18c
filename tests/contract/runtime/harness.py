"""Start the real runtime as Knative would, and talk to it."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import httpx2

HERE = pathlib.Path(__file__).parent
FUNCTIONS = HERE / "functions"
PATIENCE_SECONDS = 60


def eventually(check, what):
    """Return the first true value of `check`, fail when none comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := check():
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s for {what}")


class Runtime:
    """One process of the runtime with a function in it."""

    def __init__(
        self, directory: pathlib.Path, layer: pathlib.Path, dependencies: pathlib.Path, case: str, **env: str
    ) -> None:
        self.directory = directory
        self.gates = self.directory / "gates"
        self.gates.mkdir(parents=True)
        self.termination = self.directory / "termination-log"
        settings = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(layer),
            "PYTHONUNBUFFERED": "1",
            "PORT": "0",
            "MAYFLY_HANDLER": "main:handle",
            "MAYFLY_SIGNATURE": "http",
            "MAYFLY_TIMEOUT_SECONDS": "60.0",
            "MAYFLY_CONCURRENCY": "0",
            "MAYFLY_FUNCTION": case,
            "MAYFLY_NAMESPACE": "shop",
            "MAYFLY_CODE_DIR": str(FUNCTIONS / case),
            "MAYFLY_DEPENDENCIES_DIR": str(dependencies),
            "MAYFLY_TERMINATION_LOG": str(self.termination),
            "MAYFLY_LOG_LEVEL": "debug",
            "K_SERVICE": case,
            "K_REVISION": f"{case}-00001",
            "GATES": str(self.gates),
        }
        self._out = (self.directory / "stdout").open("wb")
        self._err = (self.directory / "stderr").open("wb")
        self.process = subprocess.Popen(
            # -S: no site-packages of the test's own environment, only what an image holds
            [sys.executable, "-S", "-P", "-m", "mayfly_runtime"],
            env=settings | env,
            cwd=FUNCTIONS / case,
            stdout=self._out,
            stderr=self._err,
        )

    def logs(self, stream: str = "stderr") -> list[dict[str, Any]]:
        """Every JSON record so far; a line that is none fails the test."""
        lines = (self.directory / stream).read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def record(self, **fields: Any) -> dict[str, Any]:
        """Wait for the log record that has these fields."""
        return eventually(lambda: self._find(fields), f"a record with {fields}")

    def _find(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        found = (line for line in self.logs() + self.logs("stdout") if fields.items() <= line.items())
        record = next(found, None)
        if record is None and self.process.poll() is not None:
            raise AssertionError(f"the runtime ended with {self.process.returncode}: {self.logs()}")
        return record

    @property
    def port(self) -> int:
        return self.record(event="listening")["port"]

    def ready(self) -> Runtime:
        self.record(event="ready")
        return self

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS, trust_env=False)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        with self.client() as client:
            return client.request(method, path, **kwargs)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def open(self, gate: str) -> None:
        (self.gates / gate).touch()

    def passed(self, gate: str) -> None:
        """Wait until the function has marked `gate`."""
        eventually((self.gates / gate).exists, f"the function to reach {gate!r}")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()
