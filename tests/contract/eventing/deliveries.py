"""Deliveries as they are made: a real store, a dispatcher, and functions that are real HTTP servers.

``Functions`` stands where the gateway's internal listener stands: it knows a function by the ``Host`` of the request
and lets nobody in without the token. What a function must do on the wire that a server library would not is done by
``raw``. Test modules take the fixtures over by name.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import abc, web

from mayfly.eventing import kinds as kind_names
from mayfly.eventing import known, metrics, publish
from mayfly.eventing.delivery import dispatch, post
from mayfly.events import cloudevent, event
from mayfly.outside import client as outside
from mayfly.store import ids, interface, postgres, records, sqlite
from tests import ports

TOKEN = "the-internal-token-of-these-tests"
SOON = 20.0
"""How long a test is willing to wait for what it waits for."""
QUICK = dispatch.Times(watch=0.05, verify=0.2, drain=0.3, farewell=5.0)
PROMPT = {"initial": "100ms", "max": "1s", "jitter": "none"}
Handler = Callable[[web.Request], Awaitable[web.Response]]


async def until(done: Callable[[], Any], *, seconds: float = SOON) -> Any:
    """Return what ``done`` returns (or its awaitable gives) as soon as that is true."""
    ends = time.monotonic() + seconds
    while True:
        found = done()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < ends, f"{done} did not come true"
        await asyncio.sleep(0.005)


@dataclasses.dataclass
class Seen:
    """One request that a function got."""

    function: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["mayfly-invocation"]


class Functions:
    """Functions by name, in any namespace; one that nobody described answers 200."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.at_once: collections.Counter[str] = collections.Counter()
        """The most requests that each had at a time."""
        self._now: collections.Counter[str] = collections.Counter()
        self._handlers: dict[str, Handler] = {}
        self.url = ""

    def on(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler

    def answer(self, name: str, *statuses: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Have ``name`` answer with each of ``statuses`` in turn, and with the last from then on."""
        left = list(statuses)

        async def handler(_request: web.Request) -> web.Response:
            status = left.pop(0) if len(left) > 1 else left[0]
            return web.Response(status=status, body=body, headers=headers)

        self.on(name, handler)

    def count(self, name: str) -> int:
        return sum(one.function == name for one in self.seen)

    async def serve(self, request: web.Request) -> web.Response:
        if request.headers.get("mayfly-delivery") != TOKEN:
            return web.Response(status=403)
        name = request.host.partition(".")[0]
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.seen.append(Seen(name, headers, await request.read(), time.time()))
        self._now[name] += 1
        self.at_once[name] = max(self.at_once[name], self._now[name])
        try:
            handler = self._handlers.get(name)
            return await handler(request) if handler else web.Response()
        finally:
            self._now[name] -= 1


@dataclasses.dataclass
class World:
    """One store with functions; ``dispatching`` begins to deliver."""

    store: interface.Store
    functions: Functions
    known: known.Known
    figures: metrics.Figures
    send_out: outside.Outside

    def put(self, name: str, namespace: str = "shop", **spec: Any) -> None:
        metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}"}
        self.known.put({"metadata": metadata, "spec": {"source": {"inline": {"main.py": ""}}, **spec}})

    async def accept(self, *several: records.NewInvocation) -> list[str]:
        receipts = await self.store.accept(several, now=several[0].due)
        return [receipt.id for receipt in receipts]

    async def call(self, name: str, namespace: str = "shop", body: bytes = b"x", **changes: Any) -> str:
        """Store a call and return its id."""
        return (await self.accept(self.make(name, namespace, body, **changes)))[0]

    def make(self, name: str, namespace: str = "shop", body: bytes = b"x", **changes: Any) -> records.NewInvocation:
        """Return a call; ``message`` may be among the changes."""
        now = time.time()
        to = self.known.get(namespace, name)
        values = {"id": ids.make_id(now), "namespace": namespace, "function": name, "due": now, "kind": "call"}
        values |= {"message": records.Message((("content-type", "text/plain"),), body)}
        values |= {"expires": now + (21600.0 if to is None else to.policy.max_age)}
        return records.NewInvocation(**(values | changes))

    async def publish(self, one: event.Event, namespace: str = "shop") -> list[str]:
        """Store an event for everybody who wants it."""
        origin = publish.Origin(kind_names.Kind.EVENT)
        wanted = self.known.find(namespace, one)
        return await self.accept(*publish.make_event_invocations(one, wanted, origin=origin, now=time.time()))

    async def get(self, identity: str, namespace: str = "shop") -> records.Invocation:
        found = await self.store.get(namespace=namespace, invocation_id=identity)
        assert found is not None
        return found

    async def settled(self, identity: str, namespace: str = "shop", *, seconds: float = SOON) -> records.Invocation:
        """Return an invocation once it is settled."""

        async def look() -> records.Invocation | None:
            found = await self.get(identity, namespace)
            return found if found.state in records.SETTLED else None

        return await until(look, seconds=seconds)

    async def attempts(self, identity: str, namespace: str = "shop") -> tuple[records.Attempt, ...]:
        return await self.store.attempts(namespace=namespace, invocation_id=identity)

    async def list(self, namespace: str = "shop") -> tuple[records.Invocation, ...]:
        return (await self.store.list(namespace=namespace, limit=10_000)).items

    async def all_settled(self, *, seconds: float = SOON) -> records.Conservation:
        """Return the books once nothing waits or is under way."""

        async def look() -> bool:
            counts = (await self.store.counts()).values()
            return bool(counts) and not any(one.waiting or one.leased for one in counts)

        await until(look, seconds=seconds)
        return await self.store.conservation()

    @contextlib.asynccontextmanager
    async def dispatching(
        self,
        *,
        worker: str = "eventing-0",
        members: Callable[[], tuple[str, ...]] | None = None,
        store: interface.Store | None = None,
        url: str | None = None,
        connections: int = 64,
        times: dispatch.Times = dispatch.TIMES,
        on_dead: Callable[[records.Queue, str], None] = lambda _queue, _reason: None,
        **options: Any,
    ) -> AsyncIterator[dispatch.Dispatcher]:
        """Deliver until the end of the block, then stop as a process is stopped."""
        resolver = options.pop("resolver", None)
        async with post.open_session(connections=connections, resolver=resolver) as session:
            sender = post.Post(
                session=session,
                gateway_url=url or self.functions.url,
                token=lambda: TOKEN,
                outside=self.send_out,
                **options,
            )
            one = dispatch.Dispatcher(
                store=store or self.store,
                known=self.known,
                post=sender,
                figures=self.figures,
                worker=worker,
                me=worker,
                members=members or (lambda: (worker,)),
                connections=connections,
                times=times,
                on_dead=on_dead,
            )
            running = asyncio.create_task(one.run())
            try:
                yield one
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running


def make_event(kind: str = "com.shop.ordered", identity: str = "1", data: bytes = b"1", **more: str) -> event.Event:
    return event.make_event({"specversion": "1.0", "id": identity, "source": "/s", "type": kind, **more}, data)


def reply_with(one: event.Event) -> web.Response:
    carried = cloudevent.to_binary(one)
    return web.Response(body=carried.body, headers=dict(carried.headers))


@contextlib.asynccontextmanager
async def raw(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], address: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Give the port of a function that reads a head and then does what ``talk`` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    port = ports.free_port()
    server = await asyncio.start_server(serve, address, port)
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()


class Names(abc.AbstractResolver):
    """Names that lead to ports of this machine, as the cluster's DNS would to Services."""

    def __init__(self, **places: tuple[str, int]) -> None:
        self._places = {name.replace("_", "-"): place for name, place in places.items()}

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[abc.ResolveResult]:
        place = self._places.get(host.partition(".")[0])
        if place is None:
            raise OSError(None, f"{host} is not known here")
        address, number = place
        return [{"hostname": host, "host": address, "port": number, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request) -> str:
    return request.param


@pytest_asyncio.fixture
async def open_store(backend, request, tmp_path):
    """Open the test's store, once more if need be; with PostgreSQL several may be open."""
    schema = f"d{secrets.token_hex(6)}"
    async with contextlib.AsyncExitStack() as stack:

        async def open_one() -> interface.Store:
            if backend == "sqlite":
                opened: interface.Store = await sqlite.SqliteStore.open(path=tmp_path / "invocations.db")
            else:
                dsn = request.getfixturevalue("postgres_server").dsn
                opened = await postgres.PostgresStore.open(dsn=dsn, schema_name=schema)
            stack.push_async_callback(opened.close)
            return opened

        yield open_one


@pytest_asyncio.fixture
async def functions():
    made = Functions()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    port = ports.free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    made.url = f"http://127.0.0.1:{port}"
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def send_out():
    """A way out that leads nowhere."""
    async with outside.Outside(hosts=(), networks=()) as nowhere:
        yield nowhere


@pytest_asyncio.fixture
async def world(open_store, functions, send_out):
    """Everything over the backend's store; at the end the books balance (I5)."""
    made = World(await open_store(), functions, known.Known(), metrics.Figures(), send_out)
    yield made
    with_books = await made.store.conservation()
    assert with_books.drift == 0, with_books
