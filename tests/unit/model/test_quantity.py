"""Quantities come out as the API server writes them."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.model import quantity


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("100m", "100m"),
        ("0.1", "100m"),
        ("1000m", "1"),
        (2, "2"),
        ("0", "0"),
        ("128Mi", "128Mi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.125Gi", "128Mi"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("128M", "128M"),
        ("1000M", "1G"),
        ("1e3", "1e3"),
        ("1E", "1E"),
        (".5", "500m"),
        ("0.0000000001", "1n"),
    ],
)
def test_canonical_form(written: int | str, expected: str) -> None:
    """No fraction, the largest suffix that loses nothing, and never the other family of suffixes."""
    assert expected == quantity.canonical(written)


@pytest.mark.parametrize("written", ["", "abc", "1 Gi", "1GiB", "--1", "1e"])
def test_what_is_no_quantity_is_refused(written: str) -> None:
    """The error names the value and gives an example."""
    with pytest.raises(errors.SpecError, match=r"write a number"):
        quantity.canonical(written)
