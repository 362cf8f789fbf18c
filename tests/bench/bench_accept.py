"""The price of a durable 202: events over HTTP into both stores, beside bare commits on the same disk.

``python -m tests.bench.bench_accept [FOLDER]`` needs no cluster. The server is a process of its own, as it is
installed: uvicorn with httptools on uvloop, the whole application, one store. The load is another process: connections
that each send the next event of 1 KiB in binary mode as soon as the last was answered 202. ``bare`` is the same server
and the same checks with nothing stored, since nobody wants the events: what HTTP alone allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
import uvloop

from mayfly.cluster import client, gatekeeper
from mayfly.eventing import known, metrics, serving, web
from mayfly.eventing.reception import app, calls, intake, senders
from mayfly.model import handover
from mayfly.store import interface, postgres, sqlite
from tests.bench import bench_store, figures

CONNECTIONS = 64
SECONDS = 5.0
WARM_SECONDS = 1.0
BODY = os.urandom(1024)
TOKEN = os.urandom(12).hex()
FUNCTIONS = 10
GOAL_PER_SECOND = 3000
GOAL_RATIO = 0.5
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
"""
"""Nothing is asked of the API server: the events come with the internal token, as from the REST API."""
Samples = list[float]


async def run(_cluster: object, _env: dict[str, str], folder: str | None = None) -> None:
    """Measure both stores, one after the other."""
    for backend in ("sqlite", "postgres"):
        made = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-bench-", dir=folder or "/var/tmp"))
        try:
            if backend == "sqlite":
                limits = bench_store._commit_bare_sqlite(made / "bare.db")
                await measure(made, backend, str(made / "store.db"), limits)
            else:
                with bench_store._serve(made) as dsn:
                    limits = await bench_store._commit_bare_postgres(dsn)
                    await measure(made, backend, dsn, limits)
        finally:
            shutil.rmtree(made)


async def measure(folder: pathlib.Path, backend: str, place: str, limits: dict[str, float]) -> None:
    """Print every figure of one store."""
    async with _serve(folder, backend, place) as (port, pid):
        bare, _ = await _load(port, pid, wanted=False)
        samples, cpu = await _load(port, pid, wanted=True)
    rate, bare_rate = len(samples) / SECONDS, len(bare) / SECONDS
    partner = {"connections": CONNECTIONS, "http": round(bare_rate)} | {k: round(v) for k, v in limits.items()}
    name = f"accept_{backend}"
    figures.print_figure(name, rate, "1/s", goal=GOAL_PER_SECOND, relation=">=", partner=partner)
    figures.print_figure(f"{name}_to_single", rate / limits["single"], "ratio", goal=GOAL_RATIO, relation=">=")
    figures.print_figure(f"{name}_to_http", rate / bare_rate, "ratio", partner={"p99": _quantile(bare, 0.99)})
    figures.print_figure(f"{name}_cpu", cpu * 1e6, "us", partner={"of": "the server, for each event"})
    for share in (0.5, 0.99):
        figures.print_figure(f"{name}_p{share * 100:.0f}", _quantile(samples, share), "ms", partner=partner)


def _quantile(samples: Samples, share: float) -> float:
    return round(figures.quantile(samples, share) * 1000, 2)


# -- the load --


class _Sender(asyncio.Protocol):
    """One connection that sends the next event when the last one was accepted."""

    def __init__(self, head: bytes, samples: Samples, ends: Callable[[], bool], done: asyncio.Future[None]) -> None:
        self._head = head
        self._samples = samples
        self._ends = ends
        self._done = done
        self._answer = b""
        self._began = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 202"):
            self._fail(RuntimeError(self._answer.decode()))
            return
        self._samples.append(time.perf_counter() - self._began)
        self._answer = b""
        if not self._ends():
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._fail(None if self._ends() else RuntimeError("the server hung up"))

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(b"%sce-id: %s\r\n\r\n%s" % (self._head, os.urandom(12).hex().encode(), BODY))

    def _fail(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error) if error else self._done.set_result(None)


async def _load(port: int, pid: int, *, wanted: bool) -> tuple[Samples, float]:
    """Return the seconds until each 202 of ``SECONDS``, after a warm-up, and the server's CPU seconds for each."""
    await _send_for(port, WARM_SECONDS, wanted=wanted)
    before = _read_cpu(pid)
    samples = await _send_for(port, SECONDS, wanted=wanted)
    return samples, (_read_cpu(pid) - before) / len(samples)


def _read_cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used: /proc/PID/stat, proc(5), fields 14 and 15."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _send_for(port: int, seconds: float, *, wanted: bool) -> Samples:
    loop = asyncio.get_running_loop()
    samples: Samples = []
    ends_at = time.perf_counter() + seconds
    waiting = [loop.create_future() for _ in range(CONNECTIONS)]
    for number, done in enumerate(waiting):
        head = _make_head(number % FUNCTIONS if wanted else FUNCTIONS)
        await loop.create_connection(
            lambda head=head, done=done: _Sender(head, samples, lambda: time.perf_counter() >= ends_at, done),
            "127.0.0.1",
            port,
        )
    await asyncio.gather(*waiting)
    return samples


def _make_head(number: int) -> bytes:
    """Return a request without the event's id; about what a sender behind the gateway has for headers."""
    lines = [
        "POST /v1/namespaces/shop/events HTTP/1.1",
        "host: mayfly-eventing.mayfly-system.svc.cluster.local",
        f"{handover.TOKEN}: {TOKEN}",
        f"{handover.CLIENT}: system:serviceaccount:shop:sender",
        "content-type: application/json",
        f"content-length: {len(BODY)}",
        "user-agent: bench/1.0",
        "x-forwarded-for: 10.0.0.7",
        "x-request-id: 1f0b2a1c-8e5e-4a4e-9f7a-0a4c5be0a9e2",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ce-specversion: 1.0",
        "ce-source: /shop/orders",
        f"ce-type: com.shop.order.{number}",
        "ce-time: 2026-11-21T10:00:00Z",
        "",
    ]
    return "\r\n".join(lines).encode()


# -- the server --


@contextlib.asynccontextmanager
async def _serve(folder: pathlib.Path, backend: str, place: str) -> AsyncIterator[tuple[int, int]]:
    """Give the port and process id of a server in a process of its own."""
    words = [sys.executable, "-m", "tests.bench.bench_accept", str(folder), backend, place]
    environment = {**os.environ, "BENCH_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = await process.stdout.readline()
        if not port:
            raise SystemExit(f"the server of {backend} did not start")
        yield int(port), process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve(folder: pathlib.Path, backend: str, place: str) -> None:
    """Serve until SIGTERM, and say on which port."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    store: interface.Store
    if backend == "sqlite":
        store = await sqlite.SqliteStore.open(path=pathlib.Path(place))
    else:
        store = await postgres.PostgresStore.open(dsn=place)
    async with await client.connect(kubeconfig=kubeconfig) as cluster:
        await _Server(serving.make_config(_make_app(store, cluster), port=0)).serve()
    await store.close()


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)  # noqa: T201


def _make_app(store: interface.Store, cluster: client.Cluster) -> app.App:
    targets, counted = known.Known(), metrics.Figures()
    for number in range(FUNCTIONS):
        trigger = {"event": {"type": f"com.shop.order.{number}"}}
        targets.put(
            {
                "metadata": {"namespace": "shop", "name": f"f{number}", "uid": str(number)},
                "spec": {"source": {"inline": {"main.py": ""}}, "triggers": [trigger]},
            }
        )
    token: Callable[[], str] = os.environ["BENCH_TOKEN"].__str__
    keeper = gatekeeper.Gatekeeper(cluster)
    bounds: dict[str, Any] = {"store": store, "known": targets, "figures": counted, "max_waiting": 10**9}
    taken = intake.Intake(
        senders=senders.Senders(cluster=cluster, keeper=keeper, token=token), default_namespace="shop", **bounds
    )
    called = calls.Calls(callbacks=False, allows_url=lambda _: False, **bounds)
    return app.App(token=token, events=taken.answer, calls=called.answer, reads=_refuse, management=_refuse)


async def _refuse(_request: web.Request) -> web.Response:
    raise AssertionError("the load asks for nothing")


if __name__ == "__main__":
    work: Awaitable[None]
    if len(sys.argv) > 2:
        work = serve(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    else:
        work = run(None, {}, *sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)  # type: ignore[arg-type]
