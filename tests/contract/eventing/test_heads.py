"""What the server library would wait for or take without end, the process does not."""

from __future__ import annotations

import socket

import pytest

from tests.contract.eventing import world as worlds


@pytest.mark.parametrize(
    "head",
    [
        b"GET /events HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /events HTTP/1.1\r\nhost: x\r\nx-long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["200 headers", "a header of 100 KB", "two lengths", "no size", "a path of bytes", "CONNECT", "nonsense"],
)
def test_a_request_out_of_bounds_is_refused(world, head):
    with socket.create_connection(world.base, timeout=worlds.BUSY) as peer:
        peer.sendall(head)
        answer = worlds.read_answer(peer)
    assert 400 <= answer.status < 500


def test_half_a_body_is_not_waited_for(open_world):
    world = open_world(bounds=worlds.asgi.Bounds(body_seconds=0.2))
    with socket.create_connection(world.base, timeout=worlds.BUSY) as peer:
        peer.sendall(b"POST /events/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        answer = worlds.read_answer(peer)
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert peer.recv(1) == b""


def test_a_body_that_announces_too_much_is_refused_at_once(world):
    """Before it is sent: who asks with Expect is spared the sending."""
    with socket.create_connection(world.base, timeout=worlds.BUSY) as peer:
        peer.sendall(
            b"POST /events/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\nexpect: 100-continue\r\n\r\n"
        )
        answer = worlds.read_answer(peer)
    assert (answer.status, answer.reason) == (413, "TooLarge")


def test_a_body_without_a_length_is_counted(world):
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(world.base, timeout=worlds.BUSY) as peer:
        peer.sendall(b"POST /events/shop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + piece * 66)
        answer = worlds.read_answer(peer)
    assert (answer.status, answer.reason) == (413, "TooLarge")
