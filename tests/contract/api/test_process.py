"""The process itself: its head limits, its ids, its size, its end."""

from __future__ import annotations

import pathlib
import re
import socket
from urllib import parse

import pytest

IDLE_MEGABYTES = 90


def exchange(world, request):
    address = parse.urlsplit(world.base)
    with socket.create_connection((address.hostname, address.port), timeout=30) as peer:
        peer.sendall(request)
        answer = b""
        while piece := peer.recv(4096):
            answer += piece
            if b"\r\n\r\n" in answer:
                break
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["200 headers", "a header of 100 KB", "two lengths"],
)
def test_a_head_out_of_bounds_is_refused(world, request_bytes):
    assert exchange(world, request_bytes).startswith(b"HTTP/1.1 400")


def test_half_a_head_is_hung_up_on(world):
    """Without the end of its head a connection is closed; nothing is answered."""
    assert exchange(world, b"GET /healthz HTTP/1.1\r\nHost: x\r\n") == b""


@pytest.mark.parametrize(("sent", "kept"), [("order-7", True), ("x" * 65, False), ("a b", False)])
def test_each_answer_carries_a_request_id(world, sent, kept):
    with world.as_user(None) as http:
        given = http.get("/healthz", headers={"X-Request-Id": sent}).headers["x-request-id"]
    assert (given == sent) if kept else re.fullmatch("[0-9a-f]{32}", given)


def test_the_metrics_count_by_route_and_never_by_name(world):
    with world.as_user("viewer") as http:
        http.get(f"/v1/namespaces/{world.namespace}/functions/secret-name")
        text = http.get("/metrics").text
    assert 'route="/v1/namespaces/{namespace}/functions/{name}",status="404"' in text
    assert "secret-name" not in text


def test_the_process_is_small(world):
    """Idle memory counts: the platform shares a small cluster with its functions."""
    status = pathlib.Path(f"/proc/{world.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
    assert resident <= IDLE_MEGABYTES
