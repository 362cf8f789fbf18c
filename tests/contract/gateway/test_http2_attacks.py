"""HTTP/2 by hand, on the plain port with prior knowledge: wrong requests, and floods of right ones.

Envoy makes an HTTP/1.1 request of each stream for a function that speaks no other, so a field that could end a line or
change the framing there must not pass. Most faults end the whole connection, which is the sender's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from mayfly.routing import edge
from tests.contract.gateway import frames, raw, strangers

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = strangers.HOST
METHOD, SCHEME, AUTHORITY, PATH = GET = frames.get(HOST)
POST = [(":method", "POST"), *GET[1:]]
BOMB = frames.block(GET) + b"\x40" + frames.block([("a", "b" * 4000)])[1:] + b"\xbe" * 12_000
"""One field that is put into the table, and 12,000 references to it: 48 MB of headers in 16 KB."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[strangers.Stand]:
    async with strangers.run(tmp_path_factory.mktemp("gateway"), limits=edge.Limits(farewell=0.05)) as made:
        yield made


async def ask(stand: strangers.Stand, data: bytes, listener: strangers.Listener = "public") -> int | str:
    """Send frames behind the preface; return what becomes of stream 1."""
    reader, writer = await stand.open(listener)
    try:
        writer.write(frames.START + data)
        return await raw.soon(frames.read_outcome(reader))
    finally:
        frames.hang_up(writer)


def split(block: bytes, *, ends: bool = True) -> bytes:
    """Return a header block in as many frames as it needs."""
    pieces = [block[i : i + 16_000] for i in range(0, len(block), 16_000)]
    last = len(pieces) - 1
    return b"".join(
        frames.frame(
            frames.CONTINUATION if i else frames.HEADERS,
            piece,
            flags=(frames.END_HEADERS if ends and i == last else 0) | (0 if i else frames.END_STREAM),
            stream=1,
        )
        for i, piece in enumerate(pieces)
    )


REFUSED = {
    "two paths": (frames.request([*GET, (":path", "/evil")]), "gone"),
    "two methods": (frames.request([(":method", "POST"), *GET]), "gone"),
    "two authorities": (frames.request([*GET[:3], (":authority", "other.example.com"), PATH]), "gone"),
    "unknown pseudo-header": (frames.request([*GET[:3], (":foo", "x"), PATH]), "gone"),
    "pseudo-header behind a header": (frames.request([*GET[:3], ("x-a", "b"), PATH]), "gone"),
    "pseudo-header of answers": (frames.request([*GET, (":status", "200")]), "gone"),
    "name in upper case": (frames.request([*GET, ("X-Upper", "b")]), "gone"),
    "no path": (frames.request(GET[:3]), "gone"),
    "empty path": (frames.request([*GET[:3], (":path", "")]), "gone"),
    "path with a line within": (frames.request([*GET[:3], (":path", "/a HTTP/1.1\r\nX: y")]), "gone"),
    "path with a space": (frames.request([*GET[:3], (":path", "/a b")]), "gone"),
    "path with a host": (frames.request([*GET[:3], (":path", "http://other.example.com/")]), "gone"),
    "path with a fragment": (frames.request([*GET[:3], (":path", "/a#b")]), 400),
    "path with an escaped slash": (frames.request([*GET[:3], (":path", "/a/..%2fb")]), 400),
    "method with a line within": (frames.request([(":method", "GET /x HTTP/1.1"), *GET[1:]]), "gone"),
    "no scheme": (frames.request([METHOD, AUTHORITY, PATH]), "gone"),
    "scheme with a line end": (frames.request([METHOD, (":scheme", "http\r\nx"), AUTHORITY, PATH]), "gone"),
    "neither authority nor host": (frames.request([METHOD, SCHEME, PATH]), "gone"),
    "two hosts": (frames.request([METHOD, SCHEME, PATH, ("host", HOST), ("host", "other.example.com")]), "gone"),
    "user in the authority": (frames.request([METHOD, SCHEME, (":authority", f"u@{HOST}"), PATH]), "gone"),
    "junk behind a port": (frames.request([METHOD, SCHEME, (":authority", f"{HOST}:80,x"), PATH]), 400),
    "letters for a port": (frames.request([METHOD, SCHEME, (":authority", f"{HOST}:abc"), PATH]), 400),
    # RFC 9113, section 8.2.2: the connection is not a request's business
    "connection": (frames.request([*GET, ("connection", "close")]), "gone"),
    "keep-alive": (frames.request([*GET, ("keep-alive", "x")]), "gone"),
    "transfer-encoding": (frames.request([*POST, ("transfer-encoding", "chunked")]), "gone"),
    "upgrade": (frames.request([*GET, ("upgrade", "websocket")]), "gone"),
    "te: gzip": (frames.request([*GET, ("te", "gzip")]), "gone"),
    "CR LF in a value": (frames.request([*GET, ("x-a", "b\r\nx-b: c")]), "gone"),
    "LF in a value": (frames.request([*GET, ("x-a", "b\nc")]), "gone"),
    "NUL in a value": (frames.request([*GET, ("x-a", "b\0c")]), "gone"),
    "space in a name": (frames.request([*GET, ("x a", "b")]), "gone"),
    "colon in a name": (frames.request([*GET, ("x:a", "b")]), "gone"),
    "CR LF in a name": (frames.request([*GET, ("x\r\na", "b")]), "gone"),
    "empty name": (frames.request([*GET, ("", "b")]), "gone"),
    "underscore in a name": (frames.request([*GET, ("x_forwarded_for", "1.2.3.4")]), "reset"),
    "length without a body": (frames.request([*GET, ("content-length", "5")]), "gone"),
    "length longer than the body": (frames.request([*POST, ("content-length", "5")], body=b"hi"), "reset"),
    "length shorter than the body": (frames.request([*POST, ("content-length", "1")], body=b"hi"), "reset"),
    "two lengths": (frames.request([*POST, ("content-length", "2"), ("content-length", "3")], body=b"hi"), "gone"),
    "CONNECT": (frames.request([(":method", "CONNECT"), (":authority", f"{HOST}:443")]), 404),
    "CONNECT for a WebSocket": (frames.request([(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]]), "gone"),
    "data before headers": (frames.frame(frames.DATA, b"hi", stream=1), "gone"),
    "headers of the connection": (frames.frame(frames.HEADERS, frames.block(GET), flags=5), "gone"),
    "even stream": (frames.request(GET, stream=2), "gone"),
    "push": (frames.frame(5, b"\0\0\0\2" + frames.block(GET), flags=4, stream=1), "gone"),
    "frame over the agreed size": (frames.frame(frames.DATA, b"a" * 20_000, stream=1), "gone"),
    "broken header block": (frames.frame(frames.HEADERS, b"\xff" * 6, flags=5, stream=1), "gone"),
    "header of 200 KB": (split(frames.block([*GET, ("x-a", "b" * 200_000)])), "reset or gone"),
    "5,000 headers": (split(frames.block([*GET, *[("a", "b")] * 5000])), "reset"),
    "header bomb": (frames.frame(frames.HEADERS, BOMB, flags=5, stream=1), "reset"),
    "window too large": (
        frames.request(GET, ends=False) + frames.frame(frames.WINDOW_UPDATE, b"\x7f\xff\xff\xff", stream=1),
        "gone",
    ),
}
"""What is sent, and what becomes of it: ``gone`` is the connection, ``reset`` the stream."""


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize(("data", "expected"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(stand: strangers.Stand, data: bytes, expected: int | str, listener: strangers.Listener) -> None:
    """No function sees a whole request of it; names with underscores are callers' own affair inside."""
    passes = listener == "internal" and b"x_" in data
    outcome = await ask(stand, data, listener)
    assert str(outcome) in (["200"] if passes else str(expected).split(" or "))
    for request in stand.function.take():
        if not passes:
            await raw.soon(request.gone.wait())
            assert not request.complete


async def test_prior_knowledge_and_host(stand: strangers.Stand) -> None:
    """Requests without TLS are served; ``:authority`` counts, and a ``host`` beside it is dropped."""
    assert await ask(stand, frames.request(GET)) == 200
    assert await ask(stand, frames.request([*GET, ("host", "other.example.com")])) == 200
    assert await ask(stand, frames.request([METHOD, SCHEME, PATH, ("host", HOST)])) == 200
    assert [request.values("host") for request in stand.function.take()] == [[HOST]] * 3
    other = (":authority", "other.example.com")
    assert await ask(stand, frames.request([METHOD, SCHEME, other, PATH, ("host", HOST)])) == 404
    assert stand.function.take() == []


async def test_trailers_do_not_arrive(stand: strangers.Stand) -> None:
    """Trailers are dropped as HTTP/1.1's are, forged or not; the body arrives whole."""
    forged = [("x-a", "b"), ("x-forwarded-for", "6.6.6.6"), ("k-proxy-request", "activator")]
    assert await ask(stand, frames.request(POST, body=b"hi", trailers=forged)) == 200
    (request,) = stand.function.take()
    assert (request.body, request.values("x-a")) == (b"2\r\nhi\r\n0\r\n", [])


HANG = frames.get(HOST, "/hang")
FLOODS: dict[str, Callable[[int], bytes]] = {
    "rapid reset": lambda i: (
        frames.request(HANG, stream=2 * i + 1) + frames.frame(frames.RST_STREAM, frames.CANCEL, stream=2 * i + 1)
    ),
    "settings": lambda _: frames.frame(frames.SETTINGS),
    "ping": lambda _: frames.frame(frames.PING, b"12345678"),
    "continuation": lambda i: frames.frame(
        frames.CONTINUATION if i else frames.HEADERS, frames.block([("a", "b")]), stream=1
    ),
    "empty continuation": lambda i: frames.frame(frames.CONTINUATION if i else frames.HEADERS, stream=1),
    "empty data": lambda i: (
        frames.frame(frames.DATA, stream=1) if i else frames.request([(":method", "POST"), *HANG[1:]], ends=False)
    ),
    "priority": lambda i: frames.frame(frames.PRIORITY, b"\0\0\0\0\1", stream=2 * i + 1),
    "window updates": lambda _: frames.frame(frames.WINDOW_UPDATE, b"\0\0\0\1"),
}


@pytest.mark.parametrize("piece", FLOODS.values(), ids=FLOODS.keys())
async def test_floods(stand: strangers.Stand, piece: Callable[[int], bytes]) -> None:
    """Who floods is hung up on long before 100,000 frames; meanwhile another connection is served."""
    reader, writer = await stand.open()
    try:
        writer.write(frames.START)
        end = asyncio.ensure_future(frames.read_to_end(reader))
        for start in range(0, 100_000, 500):
            if end.done():
                break
            with contextlib.suppress(OSError):
                writer.write(b"".join(map(piece, range(start, start + 500))))
                await writer.drain()
        assert await ask(stand, frames.request(GET)) == 200
        await raw.soon(end)
    finally:
        frames.hang_up(writer)
    for request in stand.function.take():
        if request.path == "/hang":
            await raw.soon(request.gone.wait())


async def test_streams_are_limited(stand: strangers.Stand) -> None:
    """Of 300 requests on one connection 100 reach the function; others are served."""
    reader, writer = await stand.open()
    try:
        writer.write(frames.START + b"".join(frames.request(HANG, stream=2 * i + 1) for i in range(300)))
        refused: set[int] = set()
        async with asyncio.timeout(raw.DEADLINE_SECONDS):
            while len(refused) < 200:
                found = await frames.read(reader)
                assert found is not None
                if found.kind == frames.RST_STREAM:
                    refused.add(found.stream)
        assert await ask(stand, frames.request(GET)) == 200
    finally:
        frames.hang_up(writer)
    assert sum(request.path == "/hang" for request in stand.function.take()) == 100
