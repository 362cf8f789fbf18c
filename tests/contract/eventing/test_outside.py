"""The way out: what is sent where, and that nothing reaches what a stranger must not reach."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl

import pytest
import trustme
from aiohttp import abc

from mayfly.outside import client
from tests import ports

ALLOWED = "127.0.0.2"
NETWORKS = (ipaddress.ip_network(f"{ALLOWED}/32"),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """Somebody on this machine who counts connections and keeps what was sent."""

    def __init__(self, answer: bytes | None = OK) -> None:
        self.answer = answer
        self.hits = 0
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.heard = head + await reader.readexactly(_length(head))
                if self.answer is None:
                    await reader.read()
                writer.write(self.answer or b"")
                await writer.drain()
        finally:
            writer.close()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


@contextlib.asynccontextmanager
async def listening(*addresses: str, answer: bytes | None = OK, tls: ssl.SSLContext | None = None):
    """Give a listener and the port that it has on all of ``addresses``."""
    made, port = Listener(answer), ports.free_port()
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            server = await asyncio.start_server(made.serve, address, port, ssl=tls)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
        yield made, port


class Names(abc.AbstractResolver):
    """A name server whose answers change: one list of addresses for each question, the last one for good."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            abc.ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0)
            for one in answer
        ]

    async def close(self):
        pass


async def send(way, url, *, headers=(), body=b"hello", seconds=5.0):
    return await way.post(url, headers=headers, body=body, timeout_seconds=seconds)


@pytest.fixture
def here():
    """Addresses of this machine, IPv6 where it has it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return ("127.0.0.1", "::1")
    return ("127.0.0.1",)


async def test_a_message_goes_out_as_it_is(monkeypatch):
    """Method, path, query, headers and body; nothing is added that says who we are, and no proxy sees it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    headers = (("content-type", "application/json"), ("ce-id", "1"), ("x-name", "\u00c3\u00bc"), ("Host", "evil"))
    async with (
        listening(ALLOWED) as (listener, port),
        client.Outside(hosts=[ALLOWED], networks=NETWORKS) as way,
    ):
        answer = await send(way, f"http://{ALLOWED}:{port}/a%2Fb?c=d&c=%26", headers=headers)
    assert answer == (200, (("content-length", "2"),), b"ok")
    head, _, body = listener.heard.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a%2Fb?c=d&c=%26 HTTP/1.1"
    assert {line.lower() for line in lines[1:]} == {
        f"host: {ALLOWED}:{port}".encode(),
        b"content-type: application/json",
        b"ce-id: 1",
        b"x-name: \xc3\xbc",
        b"content-length: 5",
        b"connection: close",
    }
    assert body == b"hello"


async def test_https_is_checked_against_who_answers():
    """A certificate of somebody unknown is no answer; a known one is."""
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    options = {"hosts": [".example.com"], "networks": NETWORKS}
    async with listening(ALLOWED, tls=serving) as (listener, port):
        url = f"https://hooks.example.com:{port}/"
        async with client.Outside(**options, names=Names([ALLOWED]), tls=trusting) as way:
            assert (await send(way, url)).status == 200
        listener.heard = b""
        async with client.Outside(**options, names=Names([ALLOWED])) as way:
            with pytest.raises(client.NoAnswer, match="certificate"):
                await send(way, url)
    assert listener.heard == b""


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0.0.0.0",
        "0",
        "127.0.0.1.",
        "\u2460\u2461\u2466.0.0.1",
        "169.254.169.254",
        "10.96.0.1",
        "[fd00:ec2::254]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nothing_nearby_is_called(here, scheme, host):
    """Even when the operator's list names the host: it is refused before a connection is made."""
    async with (
        listening(*here) as (listener, port),
        client.Outside(hosts=[host, "127.0.0.1"], networks=NETWORKS) as way,
    ):
        with pytest.raises(client.Forbidden, match=r"may not be called: .* events\.destinations"):
            await send(way, f"{scheme}://{host}:{port}/")
    assert listener.hits == 0


async def test_a_name_that_changes_its_mind_gains_nothing():
    """Of an address that is allowed at first and forbidden later, only the first is ever connected to."""
    names = Names([ALLOWED], ["127.0.0.1"])
    async with (
        listening(ALLOWED) as (allowed, port),
        client.Outside(hosts=["evil.example"], networks=NETWORKS, names=names) as way,
    ):
        forbidden = Listener()
        server = await asyncio.start_server(forbidden.serve, "127.0.0.1", port)
        async with server:
            way.check(f"http://evil.example:{port}/")
            assert (await send(way, f"http://evil.example:{port}/")).status == 200
            for _ in range(3):
                with pytest.raises(client.Forbidden, match="may not be called"):
                    await send(way, f"http://evil.example:{port}/")
    assert (allowed.hits, forbidden.hits, names.asked) == (1, 0, 4)


async def test_of_several_addresses_only_the_allowed_ones_are_called():
    """A name that hides a forbidden address behind a dead one that is allowed does not get through."""
    names = Names([ALLOWED, "127.0.0.1"], ["127.0.0.1", ALLOWED])
    async with (
        listening("127.0.0.1") as (forbidden, port),
        client.Outside(hosts=["evil.example"], networks=NETWORKS, names=names) as way,
    ):
        for _ in range(2):
            with pytest.raises(client.NoAnswer):
                await send(way, f"http://evil.example:{port}/")
    assert forbidden.hits == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_handed_back(status):
    """Where an answer says to go is not gone to; whoever sent the message sees the redirect."""
    async with listening("127.0.0.1") as (inner, inner_port):
        answer = f"HTTP/1.1 {status} Away\r\nLocation: http://127.0.0.1:{inner_port}/\r\nContent-Length: 0\r\n\r\n"
        async with (
            listening(ALLOWED, answer=answer.encode()) as (outer, port),
            client.Outside(hosts=[ALLOWED, "127.0.0.1"], networks=NETWORKS) as way,
        ):
            assert (await send(way, f"http://{ALLOWED}:{port}/")).status == status
    assert (outer.hits, inner.hits) == (1, 0)


async def test_no_cookie_is_kept():
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with (
        listening(ALLOWED, answer=answer) as (listener, port),
        client.Outside(hosts=[ALLOWED], networks=NETWORKS) as way,
    ):
        for _ in range(2):
            assert (await send(way, f"http://{ALLOWED}:{port}/")).status == 200
    assert b"cookie" not in listener.heard.lower()


async def test_an_answer_is_read_up_to_a_limit_and_never_unpacked():
    """However much comes, and whatever it would become."""
    bomb = os.urandom(client.LONGEST_BYTES) * 2
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999999999\r\n\r\n" + bomb
    async with (
        listening(ALLOWED, answer=answer) as (_, port),
        client.Outside(hosts=[ALLOWED], networks=NETWORKS) as way,
    ):
        found = await send(way, f"http://{ALLOWED}:{port}/")
    assert found.body == bomb[: client.LONGEST_BYTES]
    assert ("content-encoding", "gzip") in found.headers


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "within 0.3 s"),
        (b"", "did not answer"),
        (b"SSH-2.0-OpenSSH\r\n", "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "did not answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "did not answer"),
    ],
    ids=["silence", "hung up", "no HTTP", "cut short", "huge header"],
)
async def test_what_is_no_answer_is_said(answer, said):
    """It may pass, so it is told apart from what is forbidden; the path, which may be the secret, is not told."""
    async with (
        listening(ALLOWED, answer=answer) as (_, port),
        client.Outside(hosts=[ALLOWED], networks=NETWORKS) as way,
    ):
        with pytest.raises(client.NoAnswer, match=said) as caught:
            await send(way, f"http://{ALLOWED}:{port}/secret", seconds=0.3)
    assert caught.value.temporary
    assert "secret" not in str(caught.value)


async def test_plain_http_needs_a_network():
    """Without one it is refused by its text, with the rule."""
    async with client.Outside(hosts=[".example.com"], networks=()) as way:
        assert way.allows("https://a.example.com/")
        assert not way.allows("http://a.example.com/")
        with pytest.raises(client.Forbidden, match=r"events\.destinations\.networks, plain http") as caught:
            way.check("http://a.example.com/")
    assert not caught.value.temporary
