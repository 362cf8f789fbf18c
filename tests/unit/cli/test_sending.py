"""The request that carries an event."""

from __future__ import annotations

import io
import json
import sys

import pytest

from mayfly import errors
from mayfly.cli import exits, sending
from mayfly.events import cloudevent

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"ü": 1}}


def make(**given):
    return sending.make_request(sending.Given(**given))


def read(request):
    [found] = cloudevent.parse_http(request.headers, request.body)
    return found


def test_options_make_an_event_that_the_platform_reads():
    request = make(kind="com.shop.order", subject="ö 1", identity="o-1", data='{"a": 1}', attributes=("priority=high",))
    found = read(request)
    assert (found.type, found.id, found.attributes["subject"]) == ("com.shop.order", "o-1", "ö 1")
    assert (found.attributes["priority"], found.content_type, found.data) == ("high", "application/json", b'{"a": 1}')
    assert request.identity == "o-1"
    assert found.source == sending.SOURCE


def test_every_event_has_an_id_and_a_time_of_its_own():
    first, second = read(make(kind="t")), read(make(kind="t"))
    assert first.id != second.id
    assert first.attributes["time"].endswith("Z")
    assert first.data is None
    assert first.content_type is None


@pytest.mark.parametrize("how", ["@", "file", "-", "@-", "file -"])
def test_data_comes_byte_for_byte_from_where_it_is_said(how, tmp_path, monkeypatch):
    body = b"\xff\x00data"
    (tmp_path / "f").write_bytes(body)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    given = {
        "@": {"data": f"@{tmp_path / 'f'}"},
        "file": {"data_file": str(tmp_path / "f")},
        "-": {"stdin": "-"},
        "@-": {"data": "@-"},
        "file -": {"data_file": "-"},
    }[how]
    found = read(make(kind="t", **given))
    assert (found.data, found.content_type) == (body, "application/octet-stream")


def test_a_file_is_sent_as_it_stands(tmp_path):
    file = tmp_path / "event.json"
    for document, kind, identity in (
        (EVENT, "+json", "1"),
        ([EVENT], "-batch+json", "1"),
        ([EVENT, EVENT], "-batch+json", None),
    ):
        file.write_text(json.dumps(document, indent=3))
        request = make(file=str(file))
        assert request.body == file.read_bytes()
        assert request.headers == (("content-type", f"application/cloudevents{kind}"),)
        assert request.identity == identity


WRONG = {
    "stdin": ({"kind": "t", "stdin": "data"}, "only - may follow the type"),
    "twice": ({"kind": "t", "data": "x", "stdin": "-"}, "choose one"),
    "attribute": ({"kind": "t", "attributes": ("priority",)}, "write NAME=VALUE"),
    "no file": ({"kind": "t", "data": "@/no/such"}, "cannot be read"),
    "no event file": ({"file": "/no/such"}, "--file '/no/such': the file cannot be read"),
    "file and options": ({"file": "x", "subject": "s"}, "--file brings the whole event"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_command_line_that_makes_no_sense_is_refused(case):
    given, words = WRONG[case]
    with pytest.raises(exits.WrongUsage) as caught:
        make(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": ""},
        {"kind": "t", "source": ""},
        {"kind": "t", "identity": ""},
        {"kind": "t", "attributes": ("Priority=1",)},
        {"kind": "t", "attributes": ("time=noon",)},
        {"kind": "t", "attributes": ("data=1",)},
    ],
    ids=str,
)
def test_what_breaks_a_rule_of_cloudevents_is_not_sent(given):
    with pytest.raises(errors.InvalidEvent):
        make(**given)


@pytest.mark.parametrize("text", ["", "{}", "[{}]", "[" * 5000, '{"specversion": "1.0"}'])
def test_a_file_that_holds_no_event_is_not_sent(tmp_path, text):
    file = tmp_path / "event.json"
    file.write_text(text)
    with pytest.raises(errors.InvalidEvent):
        make(file=str(file))
