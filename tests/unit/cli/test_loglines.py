"""The runtime's JSON lines, made readable."""

from __future__ import annotations

import json

import pytest

from mayfly.cli import loglines


def line(**fields):
    return json.dumps({"time": "2026-11-21T06:00:00.123Z", "level": "info", "function": "cart", **fields})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (line(message="sold"), "06:00:00.123 info     sold"),
        (line(message="sold", count=2, who="Ada L"), '06:00:00.123 info     sold count=2 who="Ada L"'),
        (line(message="sold", request_id="r-1"), "06:00:00.123 info     sold [r-1]"),
        (
            line(level="error", message="no", exception="Traceback:\n  boom"),
            "06:00:00.123 error    no\n    Traceback:\n      boom",
        ),
        ("plain text", "plain text"),
        ("{broken", "{broken"),
        ('{"no": "message"}', '{"no": "message"}'),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_a_line_is_for_people(text, shown):
    assert loglines.render(text) == shown


@pytest.mark.parametrize(
    ("pod", "short"),
    [("hello-00003-deployment-7d9f6c-x2lqp", "00003-x2lqp"), ("something-else", "something-else")],
)
def test_pods_are_told_apart_by_revision_and_suffix(pod, short):
    assert loglines.shorten_pod(pod) == short
