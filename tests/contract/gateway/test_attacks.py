"""Bytes on which parsers disagree, sent at every listener: refused, or one request in a form that has one meaning.

Envoy writes each request anew, so a function never sees the sender's framing: it sees one ``Host``, one length, folded
lines joined, CR and LF only as line ends. What is tolerated here is therefore harmless behind the gateway.
After each case a sentinel goes over the same connection: a smuggled request would come to light before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.contract.gateway import raw, strangers

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTENERS: tuple[strangers.Listener, ...] = ("public", "secure", "internal")
GET = "GET / HTTP/1.1\r\nHost: {host}\r\n"
POST = "POST / HTTP/1.1\r\nHost: {host}\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[strangers.Stand]:
    async with strangers.run(tmp_path_factory.mktemp("gateway"), tls=True) as made:
        yield made


REFUSED = {
    # Where a message ends
    "length, then chunks": (POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks, then length": (POST + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunked, two headers": (POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked, chunked": (POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    "xchunked": (POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked, identity": (POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    "identity, chunked": (POST + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    "identity and length": (POST + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", 400),
    "gzip, chunked": (POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "encoding, space, colon": (POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "encoding after a vertical tab": (POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", 400),
    "the same length twice": (POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 400),
    "lengths in a list": (POST + "Content-Length: 2, 2\r\n\r\nhi", 400),
    "length with a plus": (POST + "Content-Length: +2\r\n\r\nhi", 400),
    "length with a minus": (POST + "Content-Length: -2\r\n\r\nhi", 400),
    "length in hexadecimal": (POST + "Content-Length: 0x2\r\n\r\nhi", 400),
    "length with a space within": (POST + "Content-Length: 2 2\r\n\r\nhi", 400),
    "empty length": (POST + "Content-Length: \r\n\r\n", 400),
    "length over 64 bits": (POST + "Content-Length: 99999999999999999999999\r\n\r\nhi", 400),
    "length, space, colon": (POST + "Content-Length : 2\r\n\r\nhi", 400),
    "chunk size of letters": (CHUNKED + "zz\r\nhi\r\n0\r\n\r\n", 400),
    "chunk size over 64 bits": (CHUNKED + "fffffffffffffffff\r\nhi\r\n0\r\n\r\n", 400),
    "negative chunk size": (CHUNKED + "-2\r\nhi\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKED + "0x2\r\nhi\r\n0\r\n\r\n", 400),
    "chunk size ended by LF": (CHUNKED + "2\nhi\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunk extension ended by LF": (CHUNKED + "2;a\nhi\r\n0\r\n\r\n" + SMUGGLED, 400),
    "CR in a chunk extension": (CHUNKED + "2;a\rb\r\nhi\r\n0\r\n\r\n", 400),
    "chunk longer than it says": (CHUNKED + "2\r\nhi0\r\n\r\n", 400),
    "NUL in a trailer": (CHUNKED + "2\r\nhi\r\n0\r\nX\0A: b\r\n\r\n", 400),
    # Lines and headers
    "folded first line": ("GET / HTTP/1.1\r\n Host: {host}\r\n\r\n", 400),
    "CR in a name": (GET + "X\rA: b\r\n\r\n", 400),
    "NUL in a name": (GET + "X\0A: b\r\n\r\n", 400),
    "NUL in a value": (GET + "X-A: b\0c\r\n\r\n", 400),
    "control character in a value": (GET + "X-A: b\x01c\r\n\r\n", 400),
    "DEL in a value": (GET + "X-A: b\x7fc\r\n\r\n", 400),
    "space in a name": (GET + "X A: b\r\n\r\n", 400),
    "no name": (GET + ": b\r\n\r\n", 400),
    "no colon": (GET + "novalue\r\n\r\n", 400),
    "name beyond ASCII": (GET + "X\xff: b\r\n\r\n", 400),
    "5,000 headers": (GET + "A: b\r\n" * 5000 + "\r\n", 431),
    "101 headers": (GET + "".join(f"A{i}: b\r\n" for i in range(100)) + "\r\n", 431),
    "header of 200 KB": (GET + "A: " + "b" * 200_000 + "\r\n\r\n", 431),
    "URL of 110 KB": ("GET /" + "a" * 110_000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n", 431),
    "method of 70 KB": ("A" * 70_000 + " / HTTP/1.1\r\nHost: {host}\r\n\r\n", 431),
    # Host
    "no Host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "empty Host": ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "another Host behind": ("GET / HTTP/1.1\r\nHost: {host}\r\nHost: other.example.com\r\n\r\n", 400),
    "another Host before": ("GET / HTTP/1.1\r\nHost: other.example.com\r\nHost: {host}\r\n\r\n", 400),
    "the same Host twice": ("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 400),
    "asterisk with a method that has none": ("GET * HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "target without a slash": ("GET abc HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "absolute target of another scheme": ("GET ftp://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    # Versions, methods, other protocols
    "HTTP/0.9": ("GET /\r\n\r\n", 426),
    "HTTP/1.0": ("GET / HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n", 426),
    "HTTP/1.2": ("GET / HTTP/1.2\r\nHost: {host}\r\n\r\n", 426),
    "HTTP/2.0 as text": ("GET / HTTP/2.0\r\nHost: {host}\r\n\r\n", 426),
    "version in lower case": ("GET / http/1.1\r\nHost: {host}\r\n\r\n", 400),
    "version 1.10": ("GET / HTTP/1.10\r\nHost: {host}\r\n\r\n", 400),
    "unknown method": ("FROB / HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "method in lower case": ("get / HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "beginning of an HTTP/2 preface": ("PRI * HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "CONNECT": ("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n", 404),
    "CONNECT to a path": ("CONNECT / HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "space before the method": (" " + GET + "\r\n", 400),
    "bytes of TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0" * 100, 400),
    "Upgrade to something": (GET + "Connection: Upgrade\r\nUpgrade: foo\r\n\r\n", 403),
    "Upgrade to TLS": (GET + "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n", 403),
    "Upgrade to h2c or WebSocket": (GET + "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", 403),
    "Host named hop-by-hop": (GET + "Connection: Host\r\n\r\n", 400),
    "X-Forwarded-For named hop-by-hop": (GET + "Connection: X-Forwarded-For\r\n\r\n", 400),
}
"""What is sent, and the status of the refusal; then the gateway hangs up."""


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(stand: strangers.Stand, data: str, status: int, listener: strangers.Listener) -> None:
    """The answer is the refusal, the connection ends with it, and no function sees a whole request.

    Where only the body is wrong the function may have seen the head; its connection is then broken off.
    """
    answers = await stand.exchange(data, listener=listener)
    assert [answer.status for answer in answers] == [status]
    for request in stand.function.take():
        assert "Transfer-Encoding: chunked" in data
        await raw.soon(request.gone.wait())
        assert not request.complete


HOSTS = {
    "user": "user@{host}",
    "user behind": "{host}@evil.example.com",
    "user behind a port": "{host}:80@evil.example.com",
    "path": "{host}/evil",
    "path behind a port": "{host}:80/evil",
    "space": "{host} evil",
    "letters for a port": "{host}:abc",
    "two ports": "{host}:80:90",
    "port of eight digits": "{host}:99999999",
    "query": "{host}?x",
    "fragment": "{host}#x",
    "comma": "{host}, evil.example.com",
    "comma behind a port": "{host}:80,evil.example.com",
    "percent": "hello%2eshop.example.com",
    "percent in the port": "{host}:%38",
    "address in brackets": "[::1]:80",
    "quotes": '"{host}"',
    "backslash": "{host}\\evil",
    "beyond ASCII": "h\xe9llo.shop.example.com",
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
async def test_what_is_no_host_is_refused(stand: strangers.Stand, host: str, listener: strangers.Listener) -> None:
    """Routes are found by the host without its port, but the function sees all of it: so it must be a host."""
    answers = await stand.exchange(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", listener=listener)
    assert [answer.status for answer in answers] == [400]
    assert stand.function.take() == []


class Form(NamedTuple):
    """Say what the function sees: request line, headers (``None``: absent) and body."""

    line: str = "GET /"
    headers: dict[str, str | None] = {}  # noqa: RUF012  (a default that nobody changes)
    body: bytes = b""
    closes: bool = False


BODY = {"transfer-encoding": "chunked", "content-length": None}
NORMALISED = {
    "plain": (GET + "\r\n", Form(headers={"host": strangers.HOST})),
    # Where a message ends
    "tab before chunked": (POST + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", Form("POST /", BODY, b"0\r\n")),
    "chunked in upper case": (POST + "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", Form("POST /", BODY, b"0\r\n")),
    "folded chunked": (POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Form("POST /", BODY, b"0\r\n")),
    "spaces around a length": (
        POST + "Content-Length:   2  \r\n\r\nhi",
        Form("POST /", {"content-length": "2"}, b"hi"),
    ),
    "GET with a body": (GET + "Content-Length: 2\r\n\r\nhi", Form("GET /", {"content-length": "2"}, b"hi")),
    "space behind a chunk size": (CHUNKED + "2 \r\nhi\r\n0\r\n\r\n", Form("POST /", BODY, b"2\r\nhi\r\n0\r\n")),
    "chunk extension": (CHUNKED + "2;a=b\r\nhi\r\n0\r\n\r\n", Form("POST /", BODY, b"2\r\nhi\r\n0\r\n")),
    "chunk extension of 100 KB": (
        CHUNKED + "2;" + "a" * 100_000 + "\r\nhi\r\n0\r\n\r\n",
        Form("POST /", BODY, b"2\r\nhi\r\n0\r\n"),
    ),
    "LF behind a chunk": (CHUNKED + "2\r\nhi\n0\r\n\r\n", Form("POST /", BODY, b"2\r\nhi\r\n0\r\n")),
    "trailers": (
        CHUNKED + "2\r\nhi\r\n0\r\nX-A: b\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil\r\n\r\n",
        Form("POST /", {**BODY, "x-a": None}, b"2\r\nhi\r\n0\r\n"),
    ),
    "5,000 trailers": (
        CHUNKED + "2\r\nhi\r\n0\r\n" + "A: b\r\n" * 5000 + "\r\n",
        Form("POST /", {**BODY, "a": None}, b"2\r\nhi\r\n0\r\n"),
    ),
    "length named hop-by-hop": (
        POST + "Connection: Content-Length\r\nContent-Length: 2\r\n\r\nhi",
        Form("POST /", BODY, b"2\r\nhi\r\n0\r\n"),
    ),
    # Lines and headers
    "LF alone": ("GET / HTTP/1.1\nHost: {host}\nX-A: b\n\n", Form(headers={"x-a": "b"})),
    "LF among CRLF": (GET + "X-A: b\nX-B: c\r\n\r\n", Form(headers={"x-a": "b", "x-b": "c"})),
    "folded value": (GET + "X-A: b\r\n c\r\n\r\n", Form(headers={"x-a": "b c"})),
    "CR in a value": (GET + "X-A: b\rX-B: c\r\n\r\n", Form(headers={"x-a": "bX-B: c", "x-b": None})),
    "value beyond ASCII": (GET + "X-A: b\xffc\r\n\r\n", Form(headers={"x-a": "b\xffc"})),
    "100 headers": (GET + "".join(f"A{i}: b\r\n" for i in range(99)) + "\r\n", Form(headers={"a98": "b"})),
    "empty lines before": ("\r\n\r\n" + GET + "\r\n", Form()),
    "two spaces in the first line": ("GET  / HTTP/1.1\r\nHost: {host}\r\n\r\n", Form()),
    "tabs in the first line": ("GET\t/\tHTTP/1.1\r\nHost: {host}\r\n\r\n", Form()),
    "headers named hop-by-hop": (
        GET + "Connection: close, X-Real-Header\r\nX-Real-Header: v\r\nX-Kept: v\r\n\r\n",
        Form(headers={"x-real-header": None, "x-kept": "v", "connection": None}, closes=True),
    ),
    "hop-by-hop headers": (
        GET + "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\nConnection: TE\r\n\r\n",
        Form(headers={"keep-alive": None, "proxy-connection": None, "te": "trailers", "connection": None}),
    ),
    # Host
    "absolute target": (
        "GET http://{host}/abs?x HTTP/1.1\r\nHost: {host}\r\n\r\n",
        Form("GET /abs?x", {"host": strangers.HOST}),
    ),
    # RFC 9112, section 3.2.2: the target counts and the header is ignored.
    "absolute target, another Host": (
        "GET http://{host}/abs HTTP/1.1\r\nHost: other.example.com\r\n\r\n",
        Form("GET /abs", {"host": strangers.HOST}),
    ),
    "absolute target with a user": (
        "GET http://u:p@{host}/abs HTTP/1.1\r\nHost: {host}\r\n\r\n",
        Form("GET /abs", {"host": strangers.HOST}),
    ),
    "absolute target without a path": ("GET http://{host} HTTP/1.1\r\nHost: {host}\r\n\r\n", Form("GET /")),
    # Other protocols and methods
    "upgrade to h2c": (
        GET + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        Form(headers={"upgrade": None, "http2-settings": None, "connection": None}),
    ),
    "upgrade without Connection": (GET + "Upgrade: websocket\r\n\r\n", Form(headers={"upgrade": None})),
    # The function answers 200 and speaks no WebSocket: what follows is data of no protocol, and dropped.
    "refused WebSocket with a request behind": (
        GET + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" + SMUGGLED,
        Form(headers={"upgrade": "websocket"}, closes=True),
    ),
    "Expect": (
        POST + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        Form("POST /", {"expect": None, "content-length": "2"}, b"hi"),
    ),
    "TRACE": ("TRACE / HTTP/1.1\r\nHost: {host}\r\n\r\n", Form("TRACE /")),
    "HEAD": ("HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n", Form("HEAD /")),
    "method override": (
        POST + "X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
        Form("POST /", {"x-http-method-override": "DELETE"}),
    ),
}
"""What is sent, and the one form in which it arrives."""


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(("data", "form"), NORMALISED.values(), ids=NORMALISED.keys())
async def test_normalised(stand: strangers.Stand, data: str, form: Form, listener: strangers.Listener) -> None:
    """The function sees exactly one request, in the stated form, and nothing that came behind it."""
    answers = await stand.exchange(data, listener=listener)
    assert [answer.status for answer in answers] == ([200] if form.closes else [200, 200])
    (request,) = stand.function.take()
    assert (request.line, request.body) == (form.line, form.body)
    found = {name: ", ".join(request.values(name)) or None for name in form.headers}
    assert found == form.headers
    assert len(request.values("host")) == 1


async def test_pipelined_requests_are_so_many_requests(stand: strangers.Stand) -> None:
    """Each of three requests in one packet is answered once, in order."""
    lines = [f"GET /{i} HTTP/1.1\r\nHost: {{host}}\r\n\r\n" for i in range(3)]
    answers = await stand.exchange("".join(lines))
    assert [answer.status for answer in answers] == [200] * 4
    assert [request.path for request in stand.function.take()] == ["/0", "/1", "/2"]


PATHS: dict[str, str | int] = {
    "/a/../b": "/b",
    "/../../b": "/b",
    "/a/..": "/",
    "/a/./b/.": "/a/b/",
    "/a/%2e%2e/b": "/b",
    "/a/.%2E/b": "/b",
    "/%2e%2e/%2e%2e/b": "/b",
    "/a/..%2fb": 400,
    "/a/..%2Fb": 400,
    "/a%2fb": 400,
    "/a%5cb": 400,
    "/a%5Cb": 400,
    "/a\\b": "/a/b",
    "/a\\..\\b": "/b",
    "/a%00b": 400,
    "/a\0b": 400,
    "/a\tb": 400,
    "/a\x0bb": 400,
    "/a b": 400,
    "/a\xffb": 400,
    "/a#b": 400,
    "/a?b#c": 400,
    "//evil.example.com": "/evil.example.com",
    "///a//b": "/a/b",
    "/a;x=1/b": "/a;x=1/b",
    "/a/..;/b": "/b",
    "/a;/../b": "/b",
    # Once escaped twice, the function that unescapes twice is at fault.
    "/a/%252e%252e/b": "/a/%252e%252e/b",
    "/%c0%ae%c0%ae/b": "/%c0%ae%c0%ae/b",
    "/a%zz": "/a%zz",
    "/a%0d%0aX-B:%20c": "/a%0d%0aX-B:%20c",
    "/a<b>\"'|^`": "/a%3Cb%3E%22'%7C%5E%60",
    # The query is the function's own and arrives as it was sent.
    "/a?x=/../b&y=%2f..%00": "/a?x=/../b&y=%2f..%00",
}
"""What is asked for, and the path that the function sees, or the refusal."""


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=[ascii(path) for path in PATHS])
async def test_paths(stand: strangers.Stand, path: str, expected: str | int, listener: strangers.Listener) -> None:
    """A path has one meaning for routes and function: dots and slashes are resolved, or it is refused."""
    answers = await stand.exchange(f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n", listener=listener)
    seen = [request.path for request in stand.function.take()]
    if isinstance(expected, int):
        assert ([answers[0].status], seen) == ([expected], [])
    else:
        assert (answers[0].status, seen) == (200, [expected])
