"""A trace is continued when it is sound, and left alone otherwise."""

from __future__ import annotations

import pytest

from mayfly.eventing import trace

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SOUND = f"00-{ID}-{SPAN}-01"


@pytest.mark.parametrize("text", [SOUND, f" {SOUND} ", f"00-{ID}-{SPAN}-00", f"00-{ID}-{SPAN}-ff"])
def test_a_sound_parent_is_kept(text):
    assert trace.read({"traceparent": text, "tracestate": "a=b"}) == (text.strip(), "a=b")


@pytest.mark.parametrize("text", [f"01-{ID}-{SPAN}-01", f"cc-{ID}-{SPAN}-01-what-comes-later"])
def test_a_later_version_is_handed_on_as_the_first(text):
    assert trace.read({"traceparent": text}) == (SOUND, "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        SOUND.upper(),
        f"ff-{ID}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID}-{SPAN}",
        f"00-{ID}-{SPAN}-1",
        f"{SOUND}-more",
        f"cc-{ID}-{SPAN}-01more",
        f"{SOUND}\u00e9",
    ],
)
def test_an_unsound_parent_takes_its_state_with_it(text):
    assert trace.read({"traceparent": text, "tracestate": "a=b"}) == ("", "")


@pytest.mark.parametrize("state", ["x" * 513, "a=\u00e9", "a=\x01"], ids=ascii)
def test_an_unsound_state_is_dropped_alone(state):
    assert trace.read({"traceparent": SOUND, "tracestate": state}) == (SOUND, "")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("traceparent", SOUND)], (SOUND, "")),
        ([("traceparent", SOUND), ("tracestate", "a=b"), ("tracestate", "c=d")], (SOUND, "a=b,c=d")),
        ([("traceparent", SOUND), ("traceparent", SOUND)], ("", "")),
        ([("tracestate", "a=b")], ("", "")),
        ([], ("", "")),
    ],
    ids=["alone", "states are one list", "twice is none", "state alone", "nothing"],
)
def test_headers_name_one_trace(headers, found):
    assert trace.read_headers(tuple(headers)) == found
