"""Actions written for OpenWhisk."""

from __future__ import annotations

import pytest

RESULTS = {
    "/html": (200, "text/html", b"<b>"),
    "/nothing": (204, None, b""),
    "/error": (400, "application/json", b'{"error":"no stock"}'),
    "/stated": (409, "text/plain; charset=utf-8", b"taken"),
    "/redirect": (302, None, b""),
    "/list": (200, "application/json", b"[1]"),
}


@pytest.fixture
def serve(start):
    def serve(handler):
        return start("openwhisk", MAYFLY_SIGNATURE="openwhisk", MAYFLY_HANDLER=f"main:{handler}").ready()

    return serve


def test_parameters(serve):
    """Query, form and JSON are parameters, the body's winning; any other body is `__ow_body`."""
    runtime = serve("echo")
    seen = runtime.request("PUT", "/a/b?x=1&y=2", json={"x": [3]}, headers={"X-Shop": "7"}).json()
    assert (seen["__ow_method"], seen["__ow_path"], seen["__ow_headers"]["x-shop"]) == ("put", "/a/b", "7")
    assert (seen["x"], seen["y"]) == ([3], "2")
    assert "__ow_body" not in seen
    assert runtime.request("GET", "/").json()["__ow_path"] == ""
    assert runtime.request("POST", "/", data={"f": "ü"}).json()["f"] == "ü"
    assert runtime.request("POST", "/", content=b"\x00").json()["__ow_body"] == "\x00"
    binary = runtime.request("POST", "/", content=b"\xff", headers={"content-type": "image/png"})
    assert binary.json()["__ow_body"] == "/w=="
    assert runtime.request("POST", "/", json=[1]).json()["__ow_body"] == [1]

    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    event = runtime.request("POST", "/", json={"a": 1}, headers=headers).json()
    assert (event["a"], event["__ow_headers"]["ce-type"]) == (1, "t")


def test_results(serve):
    """A result with the parts of a response is one, `error` is a failure, anything that is no dict is refused."""
    runtime = serve("result")
    for path, expected in RESULTS.items():
        answer = runtime.request("GET", path)
        assert (answer.status_code, answer.headers.get("content-type"), answer.content) == expected, path
    assert runtime.request("GET", "/text", headers={"x-request-id": "t"}).status_code == 500
    assert (
        "returned str; an OpenWhisk action returns a dict" in runtime.record(request_id="t", level="error")["message"]
    )


def test_the_main_file_of_an_action_is_not_this_program(start):
    """Zip actions have `__main__.py`: it is imported as a module, and does not run as a program."""
    runtime = start("whisk_main", MAYFLY_SIGNATURE="openwhisk", MAYFLY_HANDLER="__main__:main").ready()
    assert runtime.request("GET", "/?name=ada").text == "function_main ada"
