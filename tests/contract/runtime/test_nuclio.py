"""Functions written for Nuclio."""

from __future__ import annotations

import pytest

EVENT = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/s", "ce-type": "t", "ce-time": "2030-01-02T03:04:05Z"}
RESULTS = {
    "/pair": (201, "text/plain; charset=utf-8", b"made"),
    "/json-pair": (202, "application/json", b'{"a":1}'),
    "/response": (203, "text/html", b"<b>"),
    "/object": (200, "application/json", b'{"a":1}'),
    "/pieces": (200, "text/csv", b"ab"),
    "/bytes": (200, "application/octet-stream", b"\x00"),
}


@pytest.fixture
def serve(start):
    def serve(handler):
        return start(
            "nuclio_odd", packages="nuclio", MAYFLY_SIGNATURE="nuclio", MAYFLY_HANDLER=f"main:{handler}"
        ).ready()

    return serve


def test_event(serve):
    """The event is the request, its JSON parsed, or the CloudEvent; the context is what `init_context` made of it."""
    runtime = serve("show")
    seen = runtime.request("POST", "/a", json={"x": 1}, headers={"user-agent": "tester", "x-request-id": "r-1"}).json()
    assert seen.pop("year") >= 2026
    assert seen == {
        "greeting": "hi",
        "body": {"x": 1},
        "id": "r-1",
        "type": "",
        "trigger": "http",
        "agent": "tester",
        "content": "application/json",
    }
    event = runtime.request("POST", "/", json=[1], headers=EVENT).json()
    assert (event["id"], event["type"], event["body"], event["year"]) == ("e-1", "t", [1], 2030)
    assert runtime.request("POST", "/", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_logger(serve):
    """Fields of the logger are fields of the record, those that logging has itself with an underscore."""
    runtime = serve("show")
    runtime.request("GET", "/here")
    record = runtime.record(message="shown")
    assert (record["level"], record["place"], record["name_"]) == ("info", 7, "zoe")
    older = runtime.record(message="older")
    assert (older["level"], older["street"], older["number"]) == ("debug", "main", 7)
    assert runtime.record(message="at /here")["level"] == "warning"


def test_results(serve):
    """Pairs, responses and plain results are sent as Nuclio sends them."""
    runtime = serve("result")
    for path, expected in RESULTS.items():
        answer = runtime.request("GET", path)
        assert (answer.status_code, answer.headers["content-type"], answer.content) == expected, path
    assert runtime.request("GET", "/response").headers["x-a"] == "1"
