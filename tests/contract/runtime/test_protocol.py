"""HTTP on the wire, by raw sockets, and the parts of ASGI beyond requests."""

from __future__ import annotations

import base64
import os

import pytest


@pytest.fixture
def runtime(start):
    return start("plain_async").ready()


def exchange(runtime, sent):
    """Return everything the server answers until it closes the connection."""
    with runtime.connect() as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def read_until(connection, end):
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


CLOSE = b"Connection: close\r\n"
REFUSED = {
    "not HTTP": (b"HELLO\r\n\r\n", b"400"),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400",
    ),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: x\n\n", b"400"),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", b"400"),
    "bad chunk size": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 300 + b"\r\n", b"400"),
    "endless header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 400_000, b"431"),
}


@pytest.mark.filterwarnings("ignore")
def test_what_is_refused(runtime):
    """Requests that parsers disagree about, and heads without end, are refused and the connection closed."""
    for name, (sent, status) in REFUSED.items():
        try:
            received = exchange(runtime, sent)
        except ConnectionError:
            continue  # refused before everything was read
        assert received.startswith(b"HTTP/1.1 " + status), (name, received)
    assert runtime.request("GET", "/empty").status_code == 204


def test_keep_alive_and_pipelining(runtime):
    """One connection serves many calls, also when they are sent ahead."""
    one = b"GET /greet?name=a HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /greet?name=a HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"
    assert exchange(runtime, one + one + last).count(b"HTTP/1.1 200 OK") == 3


def test_continue(runtime):
    """A client that waits for 100 Continue gets it."""
    with runtime.connect() as connection:
        connection.sendall(
            b"POST /upper HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 12\r\n" + CLOSE + b"\r\n"
        )
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"text":"a"}')
        assert b'"text":"A"' in read_until(connection, b"}")


def test_chunked_body(runtime):
    """A body of unknown length arrives whole."""
    chunks = (b'{"text"', b':"abc"}')
    assert runtime.request("POST", "/upper", content=iter(chunks)).json()["text"] == "ABC"


def test_no_server_header(runtime):
    """The answer does not say what serves it."""
    headers = runtime.request("GET", "/empty").headers
    assert "server" not in headers
    assert "date" in headers


def test_client_that_leaves(start):
    """A client that leaves a stream stops its producer."""
    runtime = start("plain_sync").ready()
    with runtime.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(connection, b"first\n\r\n")
    runtime.open("open")
    runtime.record(message="the client closed the connection before the answer was complete")


def test_client_that_stops_reading(start):
    """A client that stops reading holds neither the connection nor the thread beyond the deadline."""
    runtime = start("plain_sync", MAYFLY_TIMEOUT_SECONDS="0.5").ready()
    with runtime.connect() as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1000)
        runtime.passed("stopped")


def test_body_that_stops(start):
    """The deadline holds while the body is being read too."""
    runtime = start("plain_sync", MAYFLY_TIMEOUT_SECONDS="0.5").ready()
    with runtime.connect() as connection:
        connection.sendall(b"POST /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 504")
    assert not (runtime.gates / "called-empty").exists()


def test_lifespan(start):
    """An application's start-up comes before readiness, its shutdown after the last call, its state in each scope."""
    runtime = start("asgi_lifespan", MAYFLY_SIGNATURE="asgi", MAYFLY_HANDLER="main:app").ready()
    runtime.passed("started")
    assert runtime.request("GET", "/").text == "kept"
    runtime.terminate()
    assert runtime.exit_code() == 0
    runtime.passed("stopped")


def test_application_factory(start):
    """A function without parameters is asked for the application."""
    runtime = start(
        "asgi_factory", packages="starlette", MAYFLY_SIGNATURE="asgi", MAYFLY_HANDLER="main:create_app"
    ).ready()
    assert runtime.request("GET", "/").text == "made"


def test_websocket_without_a_library(start):
    """Without a WebSocket library among the dependencies the upgrade is an ordinary request, and the server goes on."""
    runtime = start("asgi", MAYFLY_SIGNATURE="asgi", MAYFLY_HANDLER="main:app").ready()
    key = base64.b64encode(os.urandom(16))
    answer = exchange(
        runtime,
        b"GET /greet HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert runtime.request("GET", "/empty").status_code == 204


def test_websocket(start):
    """With one, an ASGI application holds WebSockets."""
    runtime = start("asgi", packages="websocket", MAYFLY_SIGNATURE="asgi", MAYFLY_HANDLER="main:app").ready()
    key = base64.b64encode(os.urandom(16))
    with runtime.connect() as connection:
        connection.sendall(
            b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        mask, text = b"\x01\x02\x03\x04", b"hello"
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
        connection.sendall(bytes([0x81, 0x80 | len(text)]) + mask + masked)
        assert read_until(connection, b"HELLO").startswith(bytes([0x81, 5]))


def test_a_client_that_leaves_a_websocket_is_no_failure(start):
    """Whoever closes the page must not fill the log with tracebacks."""
    runtime = start("asgi", packages="websocket", MAYFLY_SIGNATURE="asgi", MAYFLY_HANDLER="main:app").ready()
    key = base64.b64encode(os.urandom(16))
    with runtime.connect() as connection:
        connection.sendall(
            b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    runtime.record(message="the client closed the WebSocket")
    assert not [line for line in runtime.logs() if line["level"] == "error"]
