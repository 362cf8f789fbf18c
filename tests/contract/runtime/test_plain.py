"""What a plain function may return, and what its request knows."""

from __future__ import annotations

import httpx2
import pytest

TEXT = "text/plain; charset=utf-8"
RESULTS = {
    "text": (200, TEXT, "grüße".encode()),
    "bytes": (200, "application/octet-stream", b"\x00\xff"),
    "dict": (200, "application/json", '{"ü":[1,null]}'.encode()),
    "list": (200, "application/json", b"[1,2]"),
    "number": (200, "application/json", b"4.5"),
    "other": (200, "application/json", b'{"day":"2030-01-02","price":"1.10"}'),
    "none": (204, None, b""),
    "status": (201, "application/json", b'{"made":true}'),
    "enum": (410, TEXT, b"gone"),
    "headers": (200, "text/html", b"<b>"),
    "pairs": (200, TEXT, b"x"),
    "empty-status": (304, None, b""),
    "generator": (200, TEXT, b"ab"),
    "file": (200, "application/octet-stream", b"file" * 50_000),
}
REFUSED = {
    "object": "returned object; return str",
    "bad-status": "status 99",
    "bad-header": "control character",
    "four": "tuple of 4",
    "not-json": "cannot be written as JSON",
    "failing-at-once": "raised ValueError",
}


@pytest.fixture
def shapes(start):
    return start("shapes").ready()


def test_results(shapes):
    """Each kind of result becomes the response its author expects."""
    for path, expected in RESULTS.items():
        answer = shapes.request("GET", f"/{path}")
        assert (answer.status_code, answer.headers.get("content-type"), answer.content) == expected, path
    answer = shapes.request("GET", "/headers")
    assert answer.headers.get_list("x-many") == ["a", "b"]
    assert answer.headers["set-cookie"] == "a=1"
    head = shapes.request("HEAD", "/text")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "7")


def test_results_that_cannot_be_sent(shapes):
    """Anything else is a clean 500, and the log says what may be returned."""
    for path, words in REFUSED.items():
        answer = shapes.request("GET", f"/{path}", headers={"x-request-id": path})
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json"), path
        assert "x-injected" not in answer.headers
        record = shapes.record(request_id=path, level="error")
        assert words in record["message"] + record.get("exception", "")


def test_failure_in_mid_stream(shapes):
    """A generator that fails after its first piece: the connection is cut, the log holds the reason."""
    with pytest.raises(httpx2.RemoteProtocolError):
        shapes.request("GET", "/failing", headers={"x-request-id": "half"})
    assert "half way" in shapes.record(request_id="half", level="error")["exception"]


def test_request_object(start):
    """The request answers to Flask's names."""
    runtime = start("shapes", MAYFLY_HANDLER="main:describe").ready()
    answer = runtime.request(
        "POST",
        "/caf%C3%A9/x?n=3&n=4&empty=",
        headers={
            "host": "shop.example",
            "x-forwarded-proto": "https",
            "x-forwarded-for": "203.0.113.7, 10.0.0.1",
            "user-agent": "tester",
            "cookie": "a=1; b=two",
        },
        files={"picture": ("ü.txt", b"content\r\n--x")},
        data={"field": "välue"},
    ).json()
    assert answer == {
        "method": "POST",
        "path": "/café/x",
        "url": "https://shop.example/caf%C3%A9/x?n=3&n=4&empty=",
        "host": "shop.example",
        "args": {"n": ["3", "4"], "empty": [""]},
        "number": 3,
        "agent": "tester",
        "cookies": {"a": "1", "b": "two"},
        "form": {"field": ["välue"]},
        "files": {"picture": ["ü.txt", "content\r\n--x"]},
        "json": None,
        "remote": "203.0.113.7",
    }
    assert runtime.request("POST", "/", data={"a": "1 2"}).json()["form"] == {"a": ["1 2"]}


BAD_JSON = {
    "broken": (b"{", "application/json", 400, "not JSON"),
    "not UTF-8": (b'"\xff"', "application/json", 400, "not JSON"),
    "too deep": (b"[" * 200_000, "application/json", 400, "nested too deeply"),
    "other type": (b"{}", "text/plain", 415, "text/plain"),
}


def test_json_that_is_none(start):
    """`get_json()` refuses with a problem document that names the fault."""
    runtime = start("shapes", MAYFLY_HANDLER="main:strict").ready()
    for name, (body, kind, status, words) in BAD_JSON.items():
        answer = runtime.request("POST", "/", content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), name
        assert words in answer.json()["detail"], name


def test_framework_errors_are_the_framework_s(start):
    """`flask.abort` in a Cloud Function answers as Flask does."""
    runtime = start("framework_http", packages="framework").ready()
    assert runtime.request("GET", "/abort").status_code == 418
