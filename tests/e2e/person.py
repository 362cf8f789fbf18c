"""A user's tools: kubectl, the mayfly command and an HTTP client."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class User:
    """A person at a shell, working in one namespace."""

    namespace: str
    env: dict[str, str]
    gateway_url: str

    def run(self, *argv: str, stdin: str | None = None, cwd: pathlib.Path | None = None) -> Finished:
        """Run a command to its end; never raises on its exit code."""
        done = subprocess.run(
            argv, check=False, input=stdin, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=240
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace and return its output; fails on an error."""
        done = self.run("kubectl", "-n", self.namespace, *args, stdin=stdin)
        assert done.code == 0, f"kubectl {args}: {done.err}"
        return done.out

    def mayfly(self, *args: str, cwd: pathlib.Path | None = None) -> Finished:
        """Run the mayfly command in this namespace."""
        return self.run(str(ROOT / ".venv/bin/mayfly"), "-n", self.namespace, *args, cwd=cwd)

    def apply(self, manifest: dict[str, Any]) -> str:
        """Apply a manifest with kubectl."""
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return one object."""
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def wait_ready(self, name: str, seconds: int = 90) -> None:
        """Wait until a Function is Ready, as a user does; fails with its status."""
        done = self.run(
            "kubectl", "-n", self.namespace, "wait", "--for=condition=Ready", f"fn/{name}", f"--timeout={seconds}s"
        )
        assert done.code == 0, json.dumps(self.get("fn", name).get("status"), indent=1)

    def call(self, name: str, path: str = "/", method: str = "GET", **kwargs: Any) -> httpx2.Response:
        """Call a Function through the gateway by its public host name."""
        host = httpx2.URL(self.get("fn", name)["status"]["url"]).host
        headers = {"Host": host, **kwargs.pop("headers", {})}
        with httpx2.Client(base_url=self.gateway_url, timeout=60) as client:
            return client.request(method, path, headers=headers, **kwargs)

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """Return one condition of a Function; empty when it is not there yet."""
        conditions = self.get("fn", name).get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})


@contextlib.contextmanager
def make_user(cluster_env: dict[str, str]) -> Iterator[User]:
    """Give a user in a fresh namespace that enforces the restricted Pod Security Standard."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    env = {**os.environ, **cluster_env, "NO_COLOR": "1"}
    person = User(namespace, env, cluster_env["GATEWAY_URL"])
    person.kubectl("create", "namespace", namespace)
    person.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    yield person
    person.kubectl("delete", "namespace", namespace, "--wait=false")


def wait_until(check: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first truthy value of ``check``; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.25)
    return value


def make_function(name: str, files: dict[str, str], **spec: Any) -> dict[str, Any]:
    """Return a Function with inline source."""
    return {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {"source": {"inline": files}, **spec},
    }
