"""A Function in a namespace of its own, an eventing process, its store, and who calls and is called."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from mayfly import errors
from mayfly.cluster import client, kinds
from mayfly.model import handover
from tests import ports
from tests.chaos import ledger, receiver, sender
from tests.contract.store import server as postgres

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTLE_SECONDS = 120.0
"""How long what was promised may take to come, once everything is whole again."""


@dataclasses.dataclass
class Stage:
    """Everything that a fault needs; ``folder`` is on a real disk."""

    cluster: client.Cluster
    kubeconfig: str
    namespace: str
    folder: pathlib.Path
    token: str
    receiver: receiver.Receiver
    port: int
    metrics_port: int
    database: postgres.Server | None = None
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    # The process

    def start(self) -> None:
        """Start the eventing process; its log goes to ``folder``."""
        store = {"MAYFLY_STORE": "sqlite", "MAYFLY_SQLITE_PATH": str(self.folder / "db" / "invocations.db")}
        if self.database is not None:
            (self.folder / "dsn").write_text(self.database.dsn)
            store = {"MAYFLY_STORE": "postgres", "MAYFLY_POSTGRES_DSN_FILE": str(self.folder / "dsn")}
        given = {
            "MAYFLY_PORT": str(self.port),
            "MAYFLY_METRICS_PORT": str(self.metrics_port),
            "MAYFLY_INTERNAL_TOKEN_FILE": str(self.folder / "token"),
            "MAYFLY_GATEWAY_URL": f"http://127.0.0.1:{self.receiver.port}",
            "MAYFLY_NAMESPACE": self.namespace,
            "KUBECONFIG": self.kubeconfig,
            "PYTHONPATH": str(ROOT / "platform"),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mayfly.eventing"],
                env={**os.environ, **store, **given, **self.settings},
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)
            self.process = None

    async def ready(self) -> None:
        """Wait until the process takes events."""
        await wait_for(self._is_ready, 60, f"the process is ready; its log: {self.folder / 'log'}")

    async def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
        return await self._ask(f"http://127.0.0.1:{self.metrics_port}/readyz") is not None

    async def _ask(self, url: str) -> str | None:
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, headers=self._auth) as answer,
            ):
                return await answer.text() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    # The ledger

    @property
    def _auth(self) -> dict[str, str]:
        return {handover.TOKEN: self.token, handover.CLIENT: "chaos"}

    @property
    def base(self) -> str:
        """Base URL of what the process says of this namespace."""
        return f"http://127.0.0.1:{self.port}/v1/namespaces/{self.namespace}"

    def sender(self, *, rate: float, prefix: str = "e") -> sender.Sender:
        """Return a producer of events for the Function."""
        return sender.Sender(url=f"{self.base}/events", headers=self._auth, rate=rate, prefix=prefix)

    async def make_function(self, name: str = "sink", **spec: Any) -> None:
        """Make a Function that no controller cares for: only what it says of delivery matters here."""
        trigger = {"event": {"type": "com.shop.chaos"}}
        manifest = {
            "apiVersion": "mayfly.dev/v1alpha1",
            "kind": "Function",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "annotations": {"mayfly.dev/controller": "nobody"},
            },
            "spec": {"source": {"inline": {"main.py": "def f(request): ..."}}, "triggers": [trigger], **spec},
        }
        await self.cluster.create(manifest, manager="chaos")

    async def settle(self, promised: list[str]) -> ledger.Ledger:
        """Wait until nothing waits any more and return the ledger."""
        await wait_for(self._is_idle, SETTLE_SECONDS, "everything that was promised is settled")
        dead = await self._dead_ids()
        return ledger.close(promised, self.receiver.answered, dead, drift=await self._drift())

    async def queues(self) -> list[dict[str, Any]]:
        """Return the counts of each queue of this namespace, empty when the process does not answer."""
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.base}/queues", headers=self._auth) as answer,
            ):
                return (await answer.json())["items"] if answer.status == 200 else []
        except (aiohttp.ClientError, TimeoutError, OSError):
            return []

    async def _is_idle(self) -> bool:
        found = await self.queues()
        return bool(found) and all(queue["waiting"] + queue["leased"] == 0 for queue in found)

    async def _dead_ids(self) -> list[str]:
        """Return the ids of the events that were dead-lettered."""
        names: list[str] = []
        cursor = ""
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._auth) as session:
            while True:
                query = {"state": "dead", "limit": "500", **({"cursor": cursor} if cursor else {})}
                async with session.get(f"{self.base}/invocations", params=query) as answer:
                    page = await answer.json()
                names += [str(item["dedupKey"]).rpartition(" ")[2] for item in page["items"]]
                cursor = page.get("cursor") or ""
                if not cursor:
                    return names

    async def _drift(self) -> int:
        """Return what the process says of its books, read anew by starting it again."""
        self.kill()
        self.start()
        await self.ready()
        found: list[float] = []

        async def told() -> bool:
            page = await self._ask(f"http://127.0.0.1:{self.metrics_port}/metrics") or ""
            found[:] = [
                float(value) for value in re.findall(r"^mayfly_eventing_drift ([0-9.e+-]+)$", page, re.MULTILINE)
            ]
            return bool(found)

        await wait_for(told, 60, "the process tells its drift")
        return int(found[0])


async def wait_for(check: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until ``await check()`` is true; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def open_stage(cluster: client.Cluster, env: dict[str, str]) -> AsyncIterator[Stage]:
    """Give a stage with nothing started but who is called, and take all of it away at the end."""
    namespace = f"chaos-{secrets.token_hex(4)}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-chaos-", dir="/var/tmp"))
    token = secrets.token_urlsafe(32)
    (folder / "token").write_text(token)
    (folder / "db").mkdir()
    called = receiver.Receiver()
    port, metrics_port = ports.free_ports(2)
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, manager="chaos")
    where = Stage(cluster, env["KUBECONFIG"], namespace, folder, token, called, port, metrics_port)
    try:
        async with called.serve():
            yield where
    finally:
        where.kill()
        if where.database is not None:
            where.database.stop()
        with contextlib.suppress(errors.NotFound):
            await cluster.delete(kinds.NAMESPACE, None, namespace)
        shutil.rmtree(folder, ignore_errors=True)
