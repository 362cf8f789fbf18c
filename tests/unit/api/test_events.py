"""What of a request goes on with an event."""

from __future__ import annotations

import pytest
from fastapi import Request

from mayfly.api import events, logs


def make_request(*headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": "POST", "headers": raw})


def test_attributes_and_trace_go_on_and_nothing_else():
    kept = [("ce-id", "1"), ("content-type", "text/csv"), ("ce-note", "%E2%82%AC"), ("traceparent", "00-1-2-01")]
    dropped = [("Authorization", "Bearer x"), ("Mayfly-Token", "x"), ("Cookie", "a=1"), ("x-mayfly-client", "root")]
    assert events.choose_headers(make_request(*kept, *dropped)) == kept


def test_what_comes_twice_goes_on_twice():
    """The other side refuses it; here nothing is decided for it."""
    twice = [("ce-id", "1"), ("ce-id", "2")]
    assert events.choose_headers(make_request(*twice)) == twice


@pytest.mark.parametrize(("announced", "large"), [("65536", False), ("65537", True), (None, True), ("many", True)])
def test_large_bodies_and_those_of_unknown_size_are_counted(announced, large):
    assert events.is_large(announced) is large


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"message": "x", "request_id": "a"}', "a"),
        ('{"message": "request_id a"}', None),
        ('{"request_id": 7}', None),
        ('["request_id"]', None),
        ("request_id=a", None),
        ("[" * 100_000, None),
    ],
)
def test_a_log_line_belongs_to_the_request_that_it_names(text, found):
    assert logs.read_request_id(text) == found
