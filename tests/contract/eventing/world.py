"""The HTTP side of the eventing process as it runs: uvicorn on uvloop, in a thread, over a real store."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import uvicorn
import uvloop

from mayfly.cluster import client, gatekeeper
from mayfly.eventing import context, known, metrics, serving
from mayfly.eventing.management import management, reads
from mayfly.eventing.reception import app, asgi, calls, intake, senders
from mayfly.model import handover
from mayfly.store import interface, records

TOKEN = "the-internal-token-of-these-tests"
ALLOWED_URL = "https://hooks.example.com/"
BUSY = 30.0
"""Seconds after which something hangs."""

Address = tuple[str, int]
Opening = Callable[[], Awaitable[interface.Store]]


@dataclasses.dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return self.document["reason"]


@dataclasses.dataclass
class World:
    """One door, served; ``run`` does something on its loop."""

    base: Address
    loop: asyncio.AbstractEventLoop
    store: interface.Store
    known: known.Known
    figures: metrics.Figures
    clock: Clock
    namespaces: int = 0
    abandoned: list[str] = dataclasses.field(default_factory=list)
    """Ids whose attempts are to be given up."""

    def run(self, work: Awaitable[Any]) -> Any:
        async def await_it() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(await_it(), self.loop).result(BUSY)

    def put(self, namespace: str, name: str, **spec: Any) -> None:
        """Have the process know a Function."""
        manifest = {
            "metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}"},
            "spec": {"source": {"inline": {"main.py": ""}}, **spec},
        }

        async def put() -> None:
            self.known.put(manifest)

        self.run(put())

    def make_namespace(self, *wants: dict[str, Any]) -> str:
        """Return a namespace in which a function for each of ``wants`` waits for events: f0, f1, ..."""
        self.namespaces += 1
        namespace = f"n{self.namespaces}"
        for number, want in enumerate(wants):
            self.put(namespace, f"f{number}", triggers=[{"event": want}])
        return namespace

    def read_ledger(self, namespace: str | None = None) -> records.Conservation:
        """Return the books beside the rows, once they agree."""
        found = self.run(self.store.conservation(namespace=namespace))
        assert found.drift == 0
        return found

    def count(self, namespace: str | None = None) -> int:
        """Return how many invocations were ever accepted."""
        return self.read_ledger(namespace).books.accepted

    def find(self, namespace: str, invocation_id: str) -> tuple[records.Invocation, records.Message, context.Context]:
        """Return what is stored."""
        found = self.run(self.store.get(namespace=namespace, invocation_id=invocation_id))
        message = self.run(self.store.message(namespace=namespace, invocation_id=invocation_id))
        return found, message, context.parse_context(found.context)

    # -- as somebody --

    def send(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | str = b"") -> Answer:
        """Send a request byte for byte, whatever stands in its headers, and return the answer."""
        content = body.encode() if isinstance(body, str) else body
        head = [f"{method} {path} HTTP/1.1", "host: door", "connection: close", f"content-length: {len(content)}"]
        head += [f"{name}: {value}" for name, value in headers]
        with socket.create_connection(self.base, timeout=BUSY) as peer:
            peer.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + content)
            return read_answer(peer, method)

    def post_event(self, namespace: str, headers: Iterable[tuple[str, str]] = (), body: bytes | str = b"") -> Answer:
        """Post as the REST API does, for a caller that it has checked."""
        given = [(handover.TOKEN, TOKEN), (handover.CLIENT, "ada"), *headers]
        return self.send("POST", f"/v1/namespaces/{namespace}/events", given, body)

    def call(
        self,
        namespace: str,
        function: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        body: bytes | str = b"",
        path: str = "/",
        method: str = "POST",
        word: str = handover.CALL,
    ) -> Answer:
        """Call as the gateway does, for a caller that passed the route's policy."""
        given = [(handover.TOKEN, TOKEN), (handover.ASYNC, word), (handover.NAMESPACE, namespace)]
        return self.send(method, path, [*given, (handover.FUNCTION, function), *headers], body)


@dataclasses.dataclass
class Clock:
    """The time that answers are believed by; a test may move it on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def read_answer(peer: socket.socket, method: str = "POST") -> Answer:
    """Return the answer that comes from ``peer``."""
    answer = http.client.HTTPResponse(peer, method=method)
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read()
    answer.close()
    return Answer(answer.status, headers, body)


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[Address], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._ready(self.servers[0].sockets[0].getsockname())


@dataclasses.dataclass(frozen=True)
class Options:
    """What an installation may set."""

    max_waiting: int = 100_000
    callbacks: bool = True
    bounds: asgi.Bounds = asgi.DEFAULT


def make_app(world: World, cluster: client.Cluster, options: Options) -> app.App:
    """Put together what the process puts together."""
    keeper = gatekeeper.Gatekeeper(cluster, clock=world.clock)
    taken = intake.Intake(
        store=world.store,
        known=world.known,
        figures=world.figures,
        senders=senders.Senders(cluster=cluster, keeper=keeper, token=lambda: TOKEN, clock=world.clock),
        default_namespace="main",
        max_waiting=options.max_waiting,
    )
    called = calls.Calls(
        store=world.store,
        known=world.known,
        figures=world.figures,
        max_waiting=options.max_waiting,
        callbacks=options.callbacks,
        allows_url=lambda url: url.startswith(ALLOWED_URL),
    )
    steered = management.Management(
        store=world.store, known=world.known, abandon=world.abandoned.append, clock=time.time
    )
    return app.App(
        token=lambda: TOKEN,
        events=taken.answer,
        calls=called.answer,
        reads=reads.Reads(store=world.store).answer,
        management=steered.answer,
        bounds=options.bounds,
    )


class Door:
    """A world that opens, is there, and closes, in a thread with a loop of its own."""

    def __init__(self, opening: Opening, kubeconfig: str, options: Options) -> None:
        self.world: World | None = None
        self._opening = opening
        self._kubeconfig = kubeconfig
        self._options = options
        self._ready = threading.Event()
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="door")

    def open(self) -> World:
        self._thread.start()
        assert self._ready.wait(BUSY)
        assert self.world is not None, "it did not open; the thread's traceback says why"
        return self.world

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(BUSY)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._live())
        finally:
            self._ready.set()

    async def _live(self) -> None:
        store = await self._opening()
        try:
            async with await client.connect(kubeconfig=self._kubeconfig) as cluster:
                loop = asyncio.get_running_loop()
                world = World(("", 0), loop, store, known.Known(), metrics.Figures(), Clock())

                def listens(address: Address) -> None:
                    world.base = ("127.0.0.1", address[1])
                    self.world = world
                    self._ready.set()

                self._server = Server(serving.make_config(make_app(world, cluster, self._options), port=0), listens)
                await self._server.serve()
        finally:
            await store.close()


@contextlib.contextmanager
def serve(opening: Opening, kubeconfig: str, **options: Any) -> Iterator[World]:
    """Give a door that is open, and close it."""
    door = Door(opening, kubeconfig, Options(**options))
    try:
        yield door.open()
    finally:
        door.close()
