"""From the options of ``invoke`` to one request."""

from __future__ import annotations

import pytest

from mayfly.cli import call, exits


def make(**given):
    base = {"data": None, "method": None, "headers": [], "path": "/", "event": None}
    return call.make_request(**{**base, **given})


@pytest.mark.parametrize(
    ("given", "method", "path", "media"),
    [
        ({}, "GET", "/", None),
        ({"data": "x"}, "POST", "/", "text/plain; charset=utf-8"),
        ({"data": '{"a": 1}'}, "POST", "/", "application/json"),
        ({"data": "", "method": "put"}, "PUT", "/", "text/plain; charset=utf-8"),
        ({"path": "a?b=1"}, "GET", "/a?b=1", None),
        ({"data": "x", "headers": ["content-type: text/csv"]}, "POST", "/", "text/csv"),
    ],
)
def test_defaults_fit_what_is_sent(given, method, path, media):
    request = make(**given)
    headers = {name.lower(): value for name, value in request.headers}
    assert (request.method, request.path, headers.get("content-type")) == (method, path, media)


def test_an_event_is_a_binary_cloudevent():
    request = make(event="com.shop.order", data='{"id": 1}', headers=["ce-source: /test"])
    headers = dict(request.headers)
    assert request.method == "POST"
    assert headers["ce-type"] == "com.shop.order"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-source"] == "/test"
    assert headers["ce-id"]


def test_a_file_is_a_body(tmp_path):
    file = tmp_path / "image.bin"
    file.write_bytes(b"\xff\x00")
    request = make(data=f"@{file}")
    assert request.body == b"\xff\x00"
    assert dict(request.headers)["Content-Type"] == "application/octet-stream"
    with pytest.raises(exits.WrongUsage, match="cannot be read"):
        make(data="@/no/such/file")


def test_a_header_without_a_colon_is_refused():
    with pytest.raises(exits.WrongUsage, match="NAME: VALUE"):
        make(headers=["nothing"])
