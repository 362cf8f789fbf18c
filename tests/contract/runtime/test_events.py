"""CloudEvents over HTTP: strict in, binary mode out."""

from __future__ import annotations

import base64
import json

import pytest

HEADERS = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/test", "ce-type": "upper"}
EVENT = {"specversion": "1.0", "id": "7", "source": "/test", "type": "upper", "data": {"text": "straße"}}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


@pytest.fixture
def runtime(start):
    return start("event_sync", MAYFLY_SIGNATURE="cloudevent").ready()


def post(runtime, headers, body=b""):
    return runtime.request("POST", "/", headers=headers, content=body)


def test_structured_mode(runtime):
    """A structured event is understood; the reply is in binary mode with an id and a time of its own."""
    answer = post(runtime, STRUCTURED, json.dumps(EVENT).encode())
    assert answer.json()["text"] == "STRASSE"
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["ce-type"], answer.headers["ce-source"]) == ("done", "/test")
    assert answer.headers["ce-specversion"] == "1.0"
    assert answer.headers["ce-id"]
    assert answer.headers["ce-time"].endswith("Z")

    binary = {**EVENT, "type": "reverse", "data_base64": base64.b64encode(b"abc").decode()}
    del binary["data"]
    assert post(runtime, STRUCTURED, json.dumps(binary).encode()).content == b"cba"


def test_attributes_are_percent_encoded_both_ways(runtime):
    """Header values outside printable ASCII travel percent-encoded (HTTP binding, section 3.1.3.2)."""
    answer = post(runtime, HEADERS | {"ce-type": "greet", "ce-subject": "Z%C3%A9%20%22%25"})
    assert answer.json() == {"greeting": 'Grüße, Zé "%'}
    assert answer.headers["ce-subject"] == "Z%C3%A9%20%22%25"


BAD_HEADERS = {
    **{f"no {name}": (name, {f"ce-{name}": None}) for name in ("specversion", "id", "source", "type")},
    **{f"empty {name}": (name, {f"ce-{name}": ""}) for name in ("id", "source", "type")},
    "old version": ("specversion", {"ce-specversion": "0.3"}),
    "bad time": ("time", {"ce-time": "yesterday"}),
    "impossible time": ("time", {"ce-time": "2030-13-01T00:00:00Z"}),
    "bad name": ("my-ext", {"ce-my-ext": "1"}),
    "not UTF-8": ("subject", {"ce-subject": "%FF"}),
}
BAD_BODIES = {
    "not JSON": (b"{", 400, "not JSON"),
    "not an object": (b"[]", 400, "is a JSON object"),
    "too deep": (b'{"data":' + b"[" * 100_000, 400, "nested too deeply"),
    "no id": (json.dumps({**EVENT, "id": None}).encode(), 400, "'id'"),
    "object attribute": (json.dumps({**EVENT, "subject": {}}).encode(), 400, "'subject'"),
    "two data": (json.dumps({**EVENT, "data_base64": "YQ=="}).encode(), 400, "'data_base64'"),
    "bad base64": (json.dumps({**EVENT, "data": None, "data_base64": "*"}).encode(), 400, "'data_base64'"),
}


def test_events_that_are_none(runtime):
    """Each fault gets 400 that names the attribute, and the function is not called."""
    for name, (attribute, change) in BAD_HEADERS.items():
        headers = {key: value for key, value in (HEADERS | change).items() if value is not None}
        answer = post(runtime, headers, b"{}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), name
        assert answer.json()["attribute"] == attribute, name
    for name, (body, status, words) in BAD_BODIES.items():
        answer = post(runtime, STRUCTURED, body)
        assert answer.status_code == status, name
        assert words in answer.json()["detail"], name
    batch = post(runtime, {"content-type": "application/cloudevents-batch+json"}, b"[]")
    assert batch.status_code == 415
    broken = post(runtime, HEADERS | {"content-type": "application/json"}, b"{broken")
    assert broken.status_code == 400
    assert runtime.request("GET", "/").status_code == 400
    assert list(runtime.gates.iterdir()) == []


def test_replies_that_are_no_events(start):
    """A result that is no event is dropped and logged; one that is half an event is a 500."""
    runtime = start("odd", MAYFLY_SIGNATURE="cloudevent").ready()
    assert post(runtime, HEADERS).status_code == 204
    assert "is not an event" in runtime.record(level="warning")["message"]

    runtime = start("odd", MAYFLY_SIGNATURE="cloudevent", MAYFLY_HANDLER="main:broken_reply").ready()
    assert post(runtime, HEADERS).status_code == 500
    assert "'type' is required and missing" in runtime.record(level="error")["message"]


def test_sdk_time(start):
    """The SDK's event carries the sender's time, and none when there is none."""
    runtime = start("event_sdk_core", packages="cloudevents", MAYFLY_SIGNATURE="cloudevent").ready()
    timed = post(runtime, HEADERS | {"ce-type": "greet", "ce-time": "2030-01-02T03:04:05Z"})
    assert timed.headers["ce-seentime"] == "2030-01-02%2003:04:05+00:00"
    untimed = post(runtime, HEADERS | {"ce-type": "greet"})
    assert untimed.headers["ce-seentime"] == "None"
