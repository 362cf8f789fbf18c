"""Functions written for OpenFaaS's templates."""

from __future__ import annotations

import pytest


@pytest.fixture
def serve(start):
    def serve(handler):
        return start("openfaas_classic", MAYFLY_SIGNATURE="openfaas", MAYFLY_HANDLER=f"handler:{handler}").ready()

    return serve


def test_classic(serve):
    """`req` is the body as text, or bytes where it is none; text comes back as it is, and nothing is an empty 200."""
    runtime = serve("handle")
    assert runtime.request("POST", "/", content="größe".encode()).json() == {"got": "größe"}
    assert runtime.request("GET", "/").json() == {"got": ""}
    assert runtime.request("POST", "/", content=b"\xff\x00").content == b"\x00\xff"
    assert runtime.request("POST", "/", content=b"pieces").text == "ab"
    nothing = runtime.request("POST", "/", content=b"nothing")
    assert (nothing.status_code, nothing.content) == (200, b"")


def test_results(serve):
    """A dict with statusCode, headers or body is the response, any other is JSON."""
    runtime = serve("result")
    assert runtime.request("GET", "/plain").json() == {"greeting": "hi"}
    assert runtime.request("GET", "/pairs").headers.get_list("x-a") == ["1", "2"]
    made = runtime.request("GET", "/object")
    assert (made.status_code, made.json()) == (201, {"a": 1})
    assert runtime.request("GET", "/headers-only", headers={"X-Sent": "y"}).headers["x-b"] == "y"
    assert runtime.request("GET", "/tuple").status_code == 410
    assert runtime.request("GET", "/wrong", headers={"x-request-id": "w"}).status_code == 500
    assert "status 'many'" in runtime.record(request_id="w", level="error")["message"]
