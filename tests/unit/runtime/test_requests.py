"""Requests, forms and results as values."""

from __future__ import annotations

import http

import pytest

from mayfly_runtime import forms, problem, replies, requests


def make_request(body=b"", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"method": "POST", "path": "/a b", "query_string": b"x=1&x=2&e=%C3%BC", "headers": raw, "scheme": "http"}
    return requests.Request(scope, body)


def test_values():
    """Query parameters: the first, all, converted."""
    args = make_request().args
    assert (args["x"], args.getlist("x"), args.get("x", type=int), args["e"]) == ("1", ["1", "2"], 1, "ü")
    assert args.get("e", 7, type=int) == 7
    assert args.get("none") is None
    assert make_request().url == "http://localhost/a%20b?x=1&x=2&e=%C3%BC"


def test_headers():
    """Names match in any case and come back as people write them."""
    headers = make_request(x_one="1", content_length="5").headers
    assert headers["X-ONE"] == "1"
    assert "x-One" in headers
    assert dict(headers) == {"X-One": "1", "Content-Length": "5"}
    assert headers.get("Content-Length", type=int) == 5
    with pytest.raises(KeyError):
        headers["none"]


def test_json():
    """Only what is announced as JSON is parsed, unless forced; silence gives None."""
    assert make_request(b'{"a":1}', content_type="application/problem+json").json == {"a": 1}
    assert make_request(b"1").get_json(force=True) == 1
    assert make_request(b"x", content_type="application/json").get_json(silent=True) is None
    with pytest.raises(problem.Problem, match="send application/json"):
        make_request(b"1").get_json()


MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="q\\"x.bin"\r\nContent-Type: image/png\r\n\r\n'
    b"\x00\r\n--\r\nB\xff\r\n--B--\r\nepilogue"
)


def test_multipart():
    """Fields and files come apart at the boundary alone; binary content stays whole."""
    fields, uploads = forms.parse_multipart('multipart/form-data; boundary="B"', MULTIPART)
    assert fields == [("a", "one")]
    assert [(u.name, u.filename, u.content_type, u.read()) for u in uploads] == [
        ("f", 'q"x.bin', "image/png", b"\x00\r\n--\r\nB\xff")
    ]


@pytest.mark.parametrize("kind", ["", "multipart/form-data", "text/plain; boundary=B"])
def test_not_multipart(kind):
    """Other content types have no fields."""
    assert forms.parse_multipart(kind, MULTIPART) == ([], [])


@pytest.mark.parametrize("status", [200, "404", "201 CREATED", http.HTTPStatus.IM_A_TEAPOT])
def test_statuses(status):
    """Numbers, texts and enum members are statuses."""
    assert 200 <= replies.read_status(status) <= 599


@pytest.mark.parametrize("status", [True, 100, 600, "20", "abc", None, 200.5])
def test_statuses_that_are_none(status):
    """A status is final and has three digits."""
    with pytest.raises(replies.ReplyError, match="200 to 599"):
        replies.read_status(status)


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("a:", "x"), ("", "x"), ("a", "x\ny"), ("a", "x\0")])
def test_headers_that_are_none(name, value):
    """Nothing that could begin another header passes."""
    with pytest.raises(replies.ReplyError):
        replies.make_headers({name: value})


def test_headers_the_server_writes_are_left_to_it():
    """Length, encoding, connection and request id are the server's; a tab is a legal value."""
    given = {"Content-Length": 5, "Transfer-Encoding": "chunked", "Connection": "close", "X-A": "b\tc"}
    assert replies.make_headers(given) == [(b"x-a", b"b\tc")]
