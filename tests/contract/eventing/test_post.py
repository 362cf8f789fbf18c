"""What goes over the wire with a delivery, and what a hostile function can do with its answer: nothing to us."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import socket

import pytest

from mayfly.eventing import context
from mayfly.eventing import target as targets
from mayfly.eventing.delivery import attempt, post
from mayfly.events import retry
from mayfly.outside import client as outside
from mayfly.store import records
from tests import ports
from tests.contract.eventing.deliveries import TOKEN, Names, raw
from tests.unit.eventing.make import ID, NOW, TRACE, make_invocation

TARGET = targets.Target(namespace="shop", name="mail", uid="u")
LIMITS = records.Limits(result_bytes=1000)
KEPT = context.Context(traceparent=TRACE, tracestate="a=b", call_id="c-1")
NOTHING = records.Message()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """A function that keeps what came, byte for byte, and answers with the same bytes each time."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.heard: list[bytes] = []
        self.connections = 0

    async def talk(self, reader, writer):
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            self.heard.append(head + await reader.readexactly(length))
            writer.write(self.answer)
            await writer.drain()

    @property
    def lines(self) -> list[bytes]:
        return self.heard[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")


def make_lease(message=NOTHING, **changes):
    one = make_invocation(**({"context": "", "kind": "call"} | changes))
    return records.Lease(one, message, 1, NOW + 100)


async def send(port, held, *, resolver=None, send_out=None, seconds=5.0, times=1):
    """Make an attempt, or several in turn, through what listens at ``port``."""
    async with post.open_session(connections=4, resolver=resolver) as session:
        one = post.Post(
            session=session,
            gateway_url=f"http://127.0.0.1:{port}/",
            token=lambda: TOKEN,
            outside=send_out,
            limits=LIMITS,
            patience=lambda _: seconds,
        )
        for _ in range(times):
            came = await one.send(held, TARGET)
        return came


async def test_what_goes_out_is_the_message_and_who_delivers_it():
    """In the order they came, no header invented, none doubled."""
    message = records.Message(
        (
            ("content-type", "text/plain; charset=x"),
            ("X-Twice", "1"),
            ("X-Twice", "2"),
            ("user-agent", "theirs"),
            ("accept-encoding", "br"),
        ),
        bytes(range(256)),
        "PUT",
        "/a%2Fb//../c?q=%20&r",
    )
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(message, context=KEPT.to_text(), attempts=2, tries=1, depth=1))
    assert wire.lines == [
        b"PUT /a%2Fb//../c?q=%20&r HTTP/1.1",
        b"Host: mail.shop.svc.cluster.local",
        b"content-type: text/plain; charset=x",
        b"X-Twice: 1",
        b"X-Twice: 2",
        b"user-agent: theirs",
        b"accept-encoding: br",
        b"X-Request-Id: " + ID.encode(),
        b"mayfly-invocation: " + ID.encode(),
        b"mayfly-attempt: 3",
        b"mayfly-depth: 1",
        b"X-Call-Id: c-1",
        b"traceparent: " + TRACE.encode(),
        b"tracestate: a=b",
        b"mayfly-delivery: " + TOKEN.encode(),
        b"Content-Length: 256",
    ]
    assert wire.heard[0].endswith(bytes(range(256)))


async def test_nothing_is_said_that_nobody_said():
    """No type of a body that has none, no compression, no cookies; an event may be answered with one."""
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(records.Message(body=b"x"), kind="event"))
        assert wire.lines == [
            b"POST / HTTP/1.1",
            b"Host: mail.shop.svc.cluster.local",
            b"User-Agent: mayfly-eventing",
            b"X-Request-Id: " + ID.encode(),
            b"mayfly-invocation: " + ID.encode(),
            b"mayfly-attempt: 1",
            b"mayfly-depth: 0",
            b"prefer: reply",
            b"mayfly-delivery: " + TOKEN.encode(),
            b"Content-Length: 1",
        ]
        await send(port, make_lease())
        assert wire.lines[-1] == b"Content-Length: 0"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("é".encode().decode("latin-1"), "é".encode()),
        ("€".encode().decode("latin-1"), "€".encode()),
        ("é", "é".encode()),
    ],
    ids=["UTF-8", "UTF-8 of three bytes", "what is no UTF-8"],
)
async def test_headers_keep_their_bytes(value, sent):
    """Values are ISO 8859-1 text, so UTF-8 in them comes out as it came in."""
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(records.Message((("x-name", value),))))
    assert b"x-name: " + sent in wire.lines


async def test_a_message_cannot_speak_for_the_platform():
    """What belongs to the connection, and what the platform says of a delivery, is ours."""
    forged = ["host", "connection", "transfer-encoding", "content-length", "expect", "mayfly-delivery", "mayfly-depth"]
    forged += ["mayfly-invocation", "mayfly-attempt", "X-Request-Id", "traceparent", "Mayfly-Delivery"]
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(records.Message(tuple((name, "forged") for name in forged), b"x")))
    assert b"forged" not in wire.heard[0]


@pytest.mark.parametrize("path", ["@evil.example/x", "evil", ":80/x", ""])
async def test_a_path_cannot_lead_elsewhere(path):
    """Whatever was stored as one."""
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(records.Message(path=path)))
    assert wire.lines[0] == b"POST /" + path.encode() + b" HTTP/1.1"


async def test_connections_are_kept():
    wire = Wire()
    async with raw(wire.talk) as port:
        await send(port, make_lease(), times=5)
    assert (len(wire.heard), wire.connections) == (5, 1)


async def test_a_revision_is_called_itself_and_without_the_token():
    """Knative's activator is told for which revision; our token is for the gateway alone."""
    wire = Wire()
    async with raw(wire.talk) as port:
        names = Names(mail_00003=("127.0.0.1", port))
        came = await send(ports.free_port(), make_lease(revision="mail-00003"), resolver=names)
    assert came.revision == "mail-00003"
    assert b"Host: mail-00003.shop.svc.cluster.local" in wire.lines
    assert b"Knative-Serving-Namespace: shop" in wire.lines
    assert b"Knative-Serving-Revision: mail-00003" in wire.lines
    assert TOKEN.encode() not in wire.heard[0]


async def test_a_revision_that_is_not_there_is_unreachable():
    came = await send(ports.free_port(), make_lease(revision="mail-00003"), resolver=Names())
    assert came.kind is retry.Failure.UNREACHABLE


async def test_the_answer_is_kept_without_what_belongs_to_the_connection():
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nServer: envoy\r\nDate: x\r\nX-Mine: \xff\r\nSet-Cookie: a=b\r\n"
        b"Knative-Serving-Revision: mail-00007\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
    )
    wire = Wire(answer)
    async with raw(wire.talk) as port:
        came = await send(port, make_lease(), times=2)
    assert came.headers == (
        ("x-mine", "\xff"),
        ("set-cookie", "a=b"),
        ("knative-serving-revision", "mail-00007"),
        ("content-encoding", "gzip"),
    )
    assert (came.body, came.truncated, came.revision) == (b"\x1f\x8b\x08", False, "mail-00007")
    assert b"ookie" not in wire.heard[1]


@pytest.mark.parametrize(("size", "truncated"), [(999, False), (1000, False), (1001, True), (1_000_000, True)])
async def test_a_long_answer_is_cut(size, truncated):
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size))
    async with raw(wire.talk) as port:
        came = await send(port, make_lease())
    assert (len(came.body), came.truncated) == (min(size, 1000), truncated)


async def test_an_endless_answer_is_left():
    """After what is kept of it the connection is closed: its sender gets no further than the buffers between."""
    sent, cut = 0, asyncio.Event()

    async def talk(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 1 << 30:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
                sent += 65536
        finally:
            cut.set()

    async with raw(talk) as port:
        came = await send(port, make_lease())
        await asyncio.wait_for(cut.wait(), 10)
    assert (came.status, len(came.body), came.truncated) == (200, 1000, True)
    assert sent < 64 << 20


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", retry.Failure.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", retry.Failure.RESET),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", retry.Failure.RESET),
        (b"SMTP ready\r\n\r\n", retry.Failure.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", retry.Failure.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", retry.Failure.UNREADABLE),
    ],
    ids=["nothing", "half a body", "half a chunk", "no HTTP", "a header of 100 KB", "a chunk without a size"],
)
async def test_what_is_no_whole_answer_is_a_failure(answer, kind):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw(talk) as port:
        came = await send(port, make_lease())
    assert isinstance(came, attempt.Failure)
    assert (came.kind, bool(came.text)) == (kind, True)


async def test_a_connection_that_is_reset_is_a_failure():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        linger = (1).to_bytes(4, "little") + bytes(4)
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with raw(talk) as port:
        came = await send(port, make_lease())
    assert came.kind is retry.Failure.RESET


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"])
async def test_a_function_that_hangs_is_given_up(answer):
    """Before its answer, in the head of it or in its body."""
    hung = asyncio.Event()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()
        hung.set()

    async with raw(talk) as port:
        came = await send(port, make_lease(), seconds=0.2)
        await asyncio.wait_for(hung.wait(), 10)
    assert came == attempt.Failure(retry.Failure.TIMEOUT, "no whole answer within 0.2 s")


async def test_nobody_there_is_unreachable():
    assert (await send(ports.free_port(), make_lease())).kind is retry.Failure.UNREACHABLE


async def test_a_redirect_is_not_followed():
    wire = Wire()
    async with raw(wire.talk) as elsewhere:
        there = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % elsewhere
        async with raw(Wire(there).talk) as port:
            came = await send(port, make_lease())
    assert (came.status, came.header("location")) == (302, f"http://127.0.0.1:{elsewhere}/")
    assert wire.connections == 0


# -- outside --

NETWORKS = (ipaddress.ip_network("127.0.0.2/32"),)
MESSAGE = records.Message((("content-type", "text/csv"), ("x-call-id", "c-1")), b"1,2")


async def post_out(url, *, times=1, answer=OK):
    wire = Wire(answer)
    async with raw(wire.talk, "127.0.0.2") as port:
        names = Names(hooks=("127.0.0.2", port), metadata=("169.254.169.254", 80))
        async with outside.Outside(
            hosts=["hooks.example.com", "metadata.example.com"], networks=NETWORKS, names=names
        ) as out:
            held = make_lease(MESSAGE, target=url, kind="callback")
            return await send(ports.free_port(), held, send_out=out, times=times), wire


async def test_a_url_gets_the_message_without_the_token():
    came, wire = await post_out("http://hooks.example.com/in?key=1")
    assert (came.status, came.body) == (200, b"ok")
    assert wire.lines[0] == b"POST /in?key=1 HTTP/1.1"
    assert wire.heard[0].endswith(b"\r\n\r\n1,2")
    for line in (b"content-type: text/csv", b"x-call-id: c-1", b"mayfly-invocation: " + ID.encode()):
        assert line in wire.lines
    assert TOKEN.encode() not in wire.heard[0]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://other.example.com/", retry.Failure.FORBIDDEN),
        ("http://metadata.example.com/", retry.Failure.FORBIDDEN),
        ("http://127.0.0.1/", retry.Failure.FORBIDDEN),
        ("file:///etc/passwd", retry.Failure.FORBIDDEN),
    ],
)
async def test_a_url_that_is_not_allowed_is_forbidden(url, kind):
    """By its host or by where that leads; it is dead at once, not tried again."""
    came, wire = await post_out(url)
    assert isinstance(came, attempt.Failure)
    assert (came.kind, wire.connections) == (kind, 0)


async def test_a_destination_that_answers_no_http_is_a_failure_to_be_tried_again():
    came, _ = await post_out("http://hooks.example.com/", answer=b"SMTP\r\n\r\n")
    assert retry.classify(came.kind) is retry.Class.RETRY


def test_the_deliverer_is_named_when_nobody_else_is():
    held = make_lease(records.Message((("user-agent", "theirs"),)))
    assert ("User-Agent", post.AGENT) not in list(post.make_headers(held))
    assert ("User-Agent", post.AGENT) in list(post.make_headers(dataclasses.replace(held, message=records.Message())))
