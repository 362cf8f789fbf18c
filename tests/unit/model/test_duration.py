"""Durations as people write them."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.model import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("1h", 3600), ("250ms", 0.25), ("1.5s", 1.5), ("1h0m1s", 3601), ("0s", 0)],
)
def test_parse(text, seconds):
    """Parts add up."""
    assert duration.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "1d", "1s "])
def test_what_is_no_duration_is_refused(text):
    """With an example of what is."""
    with pytest.raises(errors.SpecError, match="for example 30s or 1m30s"):
        duration.parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(30, "30s"), (0.25, "250ms"), (1.5, "1500ms"), (3600, "3600s")])
def test_format_is_read_back(seconds, text):
    """Exactly, down to milliseconds."""
    assert duration.format_duration(seconds) == text
    assert duration.parse_duration(text) == seconds
