"""CloudEvents as values."""

from __future__ import annotations

import datetime as dt

import pytest

from mayfly_runtime import events, problem, replies, sdk

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def test_event_answers_to_both_generations_of_names():
    """Mapping access as in SDK 1.x, getters as in 2.x."""
    event = events.CloudEvent(ATTRIBUTES | {"time": "2030-01-02T03:04:05.5z", "tenant": "a"}, {"x": 1})
    assert (event["type"], event.get("subject", "none"), event.data) == ("t", "none", {"x": 1})
    assert (event.get_type(), event.get_subject(), event.get_data()) == ("t", None, {"x": 1})
    assert event.get_extension("tenant") == "a"
    assert event.get_time() == dt.datetime(2030, 1, 2, 3, 4, 5, 500_000, tzinfo=dt.UTC)
    assert "tenant" in event
    assert event == events.CloudEvent(event.get_attributes(), {"x": 1})


DATA = {
    "JSON": (b'{"a":1}', "application/json; charset=utf-8", {"a": 1}),
    "JSON suffix": (b"[1]", "application/vnd.shop+json", [1]),
    "text": ("ü".encode(), "text/plain", "ü"),
    "broken text": (b"\xff", "text/plain", b"\xff"),
    "bytes": (b"abc", "image/png", b"abc"),
    "no type": (b"abc", None, b"abc"),
    "empty": (b"", "application/json", None),
}


@pytest.mark.parametrize(("body", "kind", "data"), DATA.values(), ids=DATA.keys())
def test_data_by_content_type(body, kind, data):
    """JSON is parsed, text decoded, the rest left alone."""
    assert events.parse_data(body, kind) == data


def test_round_trip():
    """What make_reply writes, parse_event reads."""
    attributes = ATTRIBUTES | {"time": "2030-01-02T03:04:05Z", "subject": 'ü "x" 100% \n', "n": "5"}
    reply = events.make_reply(attributes | {"datacontenttype": "application/json"}, {"ü": [1]})
    assert all(value.isascii() for _, value in reply.headers)
    read, data = events.parse_event(reply.headers, reply.body)
    assert read == attributes | {"datacontenttype": "application/json"}
    assert data == {"ü": [1]}


def test_types_of_attributes():
    """Times, booleans and numbers are written in their canonical form; None leaves an attribute out."""
    when = dt.datetime(2030, 1, 2, tzinfo=dt.UTC)
    reply = events.make_reply(ATTRIBUTES | {"time": when, "yes": True, "n": 5, "subject": None}, None)
    headers = dict(reply.headers)
    assert headers[b"ce-time"] == b"2030-01-02T00:00:00Z"
    assert (headers[b"ce-yes"], headers[b"ce-n"]) == (b"true", b"5")
    assert b"ce-subject" not in headers


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_required_attributes(name):
    """Each required attribute is missed by name."""
    with pytest.raises(problem.Problem, match=f"'{name}' is required and missing"):
        events.check_attributes({key: value for key, value in ATTRIBUTES.items() if key != name})


def test_twice_sent_attribute():
    """Two values for one attribute are refused: parsers differ in which one counts."""
    headers = [(f"ce-{name}".encode(), value.encode()) for name, value in ATTRIBUTES.items()]
    with pytest.raises(problem.Problem, match="'id' is sent twice"):
        events.parse_event([*headers, (b"ce-id", b"2")], b"")


def test_dicts_that_are_events():
    """A dict is an event when it says so."""
    assert sdk.take_apart({"a": 1}) is None
    assert sdk.take_apart({"type": "t", "source": "/s", "data": 5}) == ({"type": "t", "source": "/s"}, 5)
    assert sdk.take_apart({"specversion": "1.0", "data_base64": "YWI="}) == (
        {"specversion": "1.0", "datacontenttype": "application/octet-stream"},
        b"ab",
    )
    with pytest.raises(replies.ReplyError, match="data_base64"):
        sdk.take_apart({"specversion": "1.0", "data_base64": "*"})
