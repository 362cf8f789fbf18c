"""On what both take, the CloudEvents SDK and we agree; where it is not sound, the difference is written down."""

from __future__ import annotations

import datetime as dt

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given

from mayfly import errors
from mayfly.events import cloudevent, event, sdk
from tests.unit.events import cases
from tests.unit.events.test_cloudevent import events

SDK_DIFFERS = {
    "blanks around": "it keeps them",
    "old double quotes": "it does not undo them",
    "quotes, then percent": "it does not undo them",
    "leap second": "its times have none",
    "null is absent": "it refuses a null subject, and keeps other nulls",
    "half a pair in data": "it parses data, which cannot be written again",
    "text in latin-1": "it takes text for UTF-8",
    "empty text is none": "it keeps an empty string",
    "a million digits": "it parses data, and Python refuses so many digits",
    "base64 beside null": "it leaves data_base64 among the attributes' names of others",
}


def normal(theirs):
    """Return attributes as text, times as instants to the microsecond."""
    return {
        name: value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else str(value).lower()
        for name, value in theirs.get_attributes().items()
        if value is not None and name != "datacontenttype"
    }


def agree(headers, body):
    theirs = http.from_http_event(http.HTTPMessage(dict(headers), body))
    (ours,) = cloudevent.parse_http(headers, body)
    mine, wanted = normal(sdk.to_sdk(ours)), normal(theirs)
    if "time" not in ours.attributes:
        # The SDK invents one.
        mine.pop("time"), wanted.pop("time")
    assert mine == wanted
    return ours, theirs


@pytest.mark.parametrize("name", [name for name in cases.GOOD_BINARY if name not in SDK_DIFFERS])
def test_binary_events_are_the_same_to_both(name):
    headers, body, _, _ = cases.GOOD_BINARY[name]
    ours, theirs = agree(headers, body)
    assert sdk.to_sdk(ours).get_data() == theirs.get_data()


@pytest.mark.parametrize("name", [name for name in cases.GOOD_STRUCTURED if name not in SDK_DIFFERS])
def test_structured_events_are_the_same_to_both(name):
    body, _, data = cases.GOOD_STRUCTURED[name]
    ours, theirs = agree([("content-type", cases.JSON_TYPE)], body)
    if isinstance(theirs.get_data(), bytes):
        assert theirs.get_data() == data
    else:
        assert sdk.to_sdk(ours).get_data() == theirs.get_data()


@given(events())
def test_the_sdk_reads_what_is_written(one):
    """In both modes it finds the same attributes, data byte for byte where it does not parse them."""
    for sent in (cloudevent.to_binary(one), cloudevent.to_structured(one)):
        agree(sent.headers, sent.body)


def test_types_of_the_sdk_convert_both_ways():
    when = dt.datetime(2026, 11, 21, 10, tzinfo=dt.UTC)
    theirs = CloudEvent({"id": "1", "source": "/s", "type": "t", "time": when, "flag": True, "count": 3}, {"a": 1})
    ours = sdk.from_sdk(theirs)
    assert ours == event.make_event(
        {
            "id": "1",
            "source": "/s",
            "type": "t",
            "specversion": "1.0",
            "time": "2026-11-21T10:00:00Z",
            "flag": "true",
            "count": "3",
            "datacontenttype": "application/json",
        },
        b'{"a":1}',
    )
    assert sdk.to_sdk(ours).get_data() == {"a": 1}
    assert sdk.from_sdk(CloudEvent({"id": "1", "source": "/s", "type": "t"}, b"x")).data == b"x"
    assert sdk.from_sdk(CloudEvent({"id": "1", "source": "/s", "type": "t"}, "é")).data == "é".encode()


def test_what_does_not_fit_is_refused():
    leap = event.make_event(
        {"id": "1", "source": "/s", "type": "t", "specversion": "1.0", "time": "2016-12-31T23:59:60Z"}
    )
    with pytest.raises(errors.InvalidEvent, match="does not fit into the types of the SDK"):
        sdk.to_sdk(leap)
    with pytest.raises(errors.InvalidEvent, match="source"):
        sdk.from_sdk(CloudEvent({"id": "1", "source": "a b", "type": "t"}))
