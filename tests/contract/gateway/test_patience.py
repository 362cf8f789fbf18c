"""How long and how much a caller may take, and what the gateway does when it goes away.

The limits are shortened here; that the installed ones are what the documents say is in ``tests/unit/routing``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from mayfly.gateway import bootstrap
from mayfly.routing import edge
from tests.contract.gateway import conftest, frames, raw, strangers

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = strangers.HOST
LIMITS = edge.Limits(handshake=0.5, headers=0.5, request=1, silence=60, idle=1, flush=1, farewell=0.05)
HEAD = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
UPLOAD = f"POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\nhalf".encode()
POST = [(":method", "POST"), *frames.get(HOST)[1:]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[strangers.Stand]:
    async with strangers.run(tmp_path_factory.mktemp("gateway"), tls=True, limits=LIMITS) as made:
        yield made


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Write a little again and again, until the connection breaks."""
    with contextlib.suppress(OSError):
        while not writer.transport.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.2)


SLOW = {
    "half a header": (HEAD, b"", 408),
    "a header byte by byte": (HEAD + b"X-A: ", b"a", 408),
    "half a body": (UPLOAD, b"", 408),
    "a body byte by byte": (UPLOAD, b"a", 408),
    "half a chunk": (HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhalf", b"a", 408),
    "nothing": (b"", b"", None),
    "empty lines": (b"", b"\r\n", 408),
}
"""What is sent, what again and again, and the answer before the connection ends."""


@pytest.mark.parametrize(("data", "again", "status"), SLOW.values(), ids=SLOW.keys())
async def test_slow_senders_are_hung_up_on(
    stand: strangers.Stand, data: bytes, again: bytes, status: int | None
) -> None:
    """Whoever does not finish in time is told so; a little now and then gives no more time."""
    reader, writer = await stand.open()
    dripping = asyncio.ensure_future(drip(writer, again)) if again else None
    try:
        writer.write(data)
        answer = await raw.soon(raw.read_answer(reader))
        assert (None if answer is None else answer.status) == status
        with contextlib.suppress(OSError):
            await raw.soon(reader.read())
    finally:
        writer.transport.abort()
        if dripping is not None:
            await dripping
    for request in stand.function.take():
        await raw.soon(request.gone.wait())
        assert not request.complete


async def test_slow_senders_of_frames_are_hung_up_on(stand: strangers.Stand) -> None:
    """HTTP/2 has the same limits: for a header block, a body, and a connection without requests."""
    block = frames.block(frames.get(HOST))
    for data, expected in {
        frames.frame(frames.HEADERS, block[:20], flags=frames.END_STREAM, stream=1): {"gone", "reset", 408},
        frames.request(POST, body=b"half", ends=False): {408},
        b"": {"gone"},
    }.items():
        reader, writer = await stand.open()
        writer.write(frames.START + data)
        assert await raw.soon(frames.read_outcome(reader)) in expected
        frames.hang_up(writer)
    assert not any(request.complete for request in stand.function.take())


async def test_a_silent_handshake_is_hung_up_on(stand: strangers.Stand) -> None:
    """A connection to the TLS port that never begins its handshake ends."""
    reader, writer = await raw.open_(stand.port("secure"))
    assert await raw.soon(reader.read()) == b""
    writer.transport.abort()


async def test_who_does_not_read_is_dropped(stand: strangers.Stand) -> None:
    """An answer that the client gives no room for is kept a while, and then the stream is reset."""
    reader, writer = await stand.open()
    no_room = frames.frame(frames.SETTINGS, b"\0\4\0\0\0\0")
    writer.write(frames.PREFACE + no_room + frames.request(frames.get(HOST)))
    async with asyncio.timeout(raw.DEADLINE_SECONDS):
        while (found := await frames.read(reader)) is not None and found.kind != frames.RST_STREAM:
            assert found.kind != frames.DATA
    frames.hang_up(writer)
    stand.function.take()


async def test_a_slow_function_is_waited_for(stand: strangers.Stand) -> None:
    """The limits are the sender's: once all is sent, an answer may take longer than they do."""
    reader, writer = await stand.open()
    writer.write(HEAD.replace(b"GET / ", b"GET /slow ") + b"\r\n")
    answer = await raw.soon(raw.read_answer(reader))
    assert answer is not None
    assert answer.status == 200
    writer.transport.abort()
    stand.function.take()


async def test_streams_may_last(stand: strangers.Stand) -> None:
    """Once the function answers, its caller may go on sending: gRPC streams, and WebSockets, are not cut."""
    reader, writer = await stand.open()
    begun = [*POST[:3], (":path", "/early")]
    writer.write(frames.START + frames.request(begun, body=b"first", ends=False))
    assert await raw.soon(frames.read_outcome(reader)) == 200
    (request,) = stand.function.take()
    await asyncio.sleep(2 * LIMITS.request)
    assert not request.gone.is_set()
    writer.write(frames.frame(frames.DATA, b"last", flags=frames.END_STREAM, stream=1))
    await conftest.until(lambda: request.complete)
    assert request.body == b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n"
    frames.hang_up(writer)


def count_files(stand: strangers.Stand) -> int:
    return len(list(Path(f"/proc/{stand.gateway.process.pid}/fd").iterdir()))


async def measure(stand: strangers.Stand, calls: int) -> str:
    """Return the time that calls take, as text; every one must be answered 200."""
    seconds = []
    for _ in range(calls):
        begin = time.perf_counter()
        async with stand.gateway.session.get(
            f"http://127.0.0.1:{stand.gateway.public}/", headers={"Host": HOST}
        ) as response:
            assert response.status == 200
        seconds.append(time.perf_counter() - begin)
    half, most = (sorted(seconds)[calls * share // 100 - 1] * 1000 for share in (50, 99))
    return f"p50 {half:.1f} ms, p99 {most:.1f} ms"


async def test_500_slow_senders_disturb_nobody(tmp_path: Path) -> None:
    """While 500 connections send half a header or half a body, every other call is answered; then all is freed."""
    limits = edge.Limits(headers=3, request=3, farewell=0.05)
    async with strangers.run(tmp_path, limits=limits) as stand:
        before, files = await measure(stand, 200), count_files(stand)
        held = await asyncio.gather(*(stand.open() for _ in range(500)))
        for number, (_, writer) in enumerate(held):
            writer.write(HEAD if number % 2 else UPLOAD)
        await conftest.until(lambda: count_files(stand) >= files + 500)
        during = await measure(stand, 200)
        answers = await raw.soon(asyncio.gather(*(raw.read_answer(reader) for reader, _ in held)))
        for _, writer in held:
            writer.transport.abort()
        assert {answer.status for answer in answers if answer is not None} == {408}
        await conftest.until(lambda: count_files(stand) <= files + 10, what="files to be closed")
    print(f"before: {before}; among 500 slow senders: {during}")  # noqa: T201


@pytest.mark.parametrize("politely", [True, False], ids=["FIN", "RST"])
@pytest.mark.parametrize("path", ["/hang", "/drip", "/upload"])
@pytest.mark.parametrize("listener", ["public", "secure", "internal"])
async def test_a_client_that_leaves_ends_the_call(
    stand: strangers.Stand, listener: strangers.Listener, path: str, politely: bool
) -> None:
    """The function's connection breaks at once: while it thinks, while it answers, while it is being sent a body."""
    reader, writer = await stand.open(listener)
    writer.write(UPLOAD if path == "/upload" else HEAD.replace(b"/ ", f"{path} ".encode(), 1) + b"\r\n")
    await conftest.until(lambda: stand.function.seen)
    if path == "/drip":
        await raw.soon(reader.readuntil(b"drop"))
    (request,) = stand.function.take()
    assert not request.gone.is_set()
    await leave(writer, politely=politely)
    await ends_soon(request)
    assert request.complete == (path != "/upload")


@pytest.mark.parametrize("path", ["/hang", "/drip"])
@pytest.mark.parametrize("how", ["stream", "connection"])
async def test_a_client_of_http2_that_leaves_ends_the_call(stand: strangers.Stand, path: str, how: str) -> None:
    """A cancelled stream and a lost connection do the same; a cancelled stream leaves its neighbours alone."""
    reader, writer = await stand.open()
    writer.write(frames.START + frames.request(frames.get(HOST, path)))
    await conftest.until(lambda: stand.function.seen)
    if path == "/drip":
        assert await raw.soon(frames.read_outcome(reader)) == 200
    (request,) = stand.function.take()
    if how == "stream":
        writer.write(frames.frame(frames.RST_STREAM, frames.CANCEL, stream=1))
        writer.write(frames.request(frames.get(HOST), stream=3))
        assert await raw.soon(frames.read_outcome(reader, stream=3)) == 200
    else:
        await leave(writer, politely=True)
    await ends_soon(request)
    frames.hang_up(writer)
    stand.function.take()


async def leave(writer: asyncio.StreamWriter, *, politely: bool) -> None:
    """Close the connection, or break it."""
    if politely:
        writer.close()
        return
    linger = b"\1\0\0\0\0\0\0\0"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def ends_soon(request: raw.Seen) -> None:
    """The promise is a second; five allow for a machine that is busy."""
    async with asyncio.timeout(5):
        await request.gone.wait()


async def is_served(port: int, *, host: str = HOST) -> raw.Connection | None:
    """Return a connection on which a call was answered 200, ``None`` when it was hung up on."""
    reader, writer = await raw.open_(port)
    with contextlib.suppress(OSError):
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = await raw.read_answer(reader)
        if answer is not None and answer.status == 200:
            return reader, writer
    writer.transport.abort()
    return None


async def test_connections_are_limited(tmp_path: Path) -> None:
    """Strangers may have so many; callers inside have as many again, and the metrics page answers.

    Envoy sometimes lets one more in, however many came and went before.
    """
    async with strangers.run(tmp_path, envoy={"envoy_max_connections": 20}) as stand:
        gateway = stand.gateway
        # The session keeps its own; a new count begins without them.
        await gateway.session.close()
        async with aiohttp.ClientSession() as gateway.session:
            outside = [await raw.soon(is_served(gateway.public)) for _ in range(30)]
            inside = [await raw.soon(is_served(gateway.internal)) for _ in range(30)]
            assert 15 <= len([found for found in outside if found]) <= 21
            assert 15 <= len([found for found in inside if found]) <= 21
            assert await gateway.ready()
            for found in filter(None, outside + inside):
                found[1].transport.abort()
            for port in (gateway.public, gateway.internal):
                await conftest.until(again(port), what="room for a connection")


def again(port: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        found = await raw.soon(is_served(port))
        if found is not None:
            found[1].transport.abort()
        return found is not None

    return check


async def test_memory_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory runs out requests are answered 503; Envoy lives, and can be asked how it is."""
    async with strangers.run(tmp_path) as stand:
        assert await stand.gateway.count("overload.envoy.overload_actions.stop_accepting_requests.active") == 0
    monkeypatch.setitem(bootstrap.SHARES, "stop_accepting_requests", 0.001)
    async with conftest.run(tmp_path) as gateway:

        async def active() -> bool:
            return await gateway.count("overload.envoy.overload_actions.stop_accepting_requests.active") == 1

        await conftest.until(active)
        for listener in ("public", "internal"):
            assert (await gateway.call(HOST, listener=listener))[0] == 503
        assert await gateway.ready()
        assert gateway.process.returncode is None


async def test_where_memory_is_gone_nobody_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step: connections are hung up on before they cost anything; the metrics page answers."""
    monkeypatch.setitem(bootstrap.SHARES, "reject_incoming_connections", 0.001)
    async with conftest.run(tmp_path) as gateway:

        async def refused() -> bool:
            reader, writer = await raw.open_(gateway.public)
            try:
                writer.write(HEAD + b"\r\n")
                return await raw.read_answer(reader) is None
            finally:
                writer.transport.abort()

        await conftest.until(refused)
        assert await gateway.ready()


async def test_silence_within_a_call_has_an_end(tmp_path: Path) -> None:
    """A function that neither answers nor breaks off is given up, over both protocols, and learns it."""
    async with strangers.run(tmp_path, limits=edge.Limits(silence=0.5)) as stand:
        reader, writer = await stand.open()
        writer.write(HEAD.replace(b"GET / ", b"GET /hang ") + b"\r\n")
        answer = await raw.soon(raw.read_answer(reader))
        writer.transport.abort()
        assert answer is not None
        assert answer.status == 504
        reader, writer = await stand.open()
        writer.write(frames.START + frames.request(frames.get(HOST, "/hang")))
        assert await raw.soon(frames.read_outcome(reader)) == 504
        frames.hang_up(writer)
        for request in stand.function.take():
            await raw.soon(request.gone.wait())


async def test_the_admin_interface_is_at_no_port(stand: strangers.Stand) -> None:
    """Envoy listens at its four ports only, and behind them no trick leads to a page but the two."""
    gateway = stand.gateway
    expected = {gateway.public, gateway.internal, gateway.secure, gateway.metrics}
    assert read_ports(gateway.process.pid) == expected
    socket_mode = (gateway.directory / "admin.sock").stat().st_mode & 0o777
    assert socket_mode == 0o600
    pages = ["/quitquitquit", "/config_dump", "/ready/../config_dump", "/ready/%2e%2e/config_dump", "//config_dump"]
    pages += [
        "/ready%2f..%2fconfig_dump",
        "/ready;/../config_dump",
        "/ready/config_dump",
        "/stats",
        "http://admin/certs",
    ]
    for port in sorted(expected - {gateway.secure}):
        for method in ("GET", "POST"):
            for page in pages:
                head = f"{method} {page} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                reader, writer = await raw.open_(port)
                writer.write(head.encode())
                answer = await raw.soon(raw.read_answer(reader))
                writer.transport.abort()
                assert answer is not None
                assert answer.status in {400, 404}, (port, method, page)
    assert await gateway.ready()


def read_ports(pid: int) -> set[int]:
    """Return the TCP ports at which a process listens."""
    links = (str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink())
    mine = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


async def test_both_families_are_served(tmp_path: Path) -> None:
    """Bound to ``::`` the gateway serves IPv6 and IPv4, and knows an IPv4 client by its IPv4 address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    place = {"address": "::", "envoy": {"listen_address": "::"}, "trusted_proxies": ("127.0.0.2/32",)}
    async with strangers.run(tmp_path, **place) as stand:
        gateway = stand.gateway
        async with gateway.session.get(f"http://[::1]:{gateway.public}/", headers={"Host": HOST}) as response:
            assert response.status == 200
        async with gateway.session.get(f"http://[::1]:{gateway.metrics}/ready") as response:
            assert response.status == 200
        stand.function.take()
        await stand.exchange(HEAD + b"X-Forwarded-For: 203.0.113.7\r\n\r\n", source="127.0.0.2")
        assert stand.function.take()[0].values("x-forwarded-for") == ["203.0.113.7"]
