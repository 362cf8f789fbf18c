"""What is new, a duplicate, a conflict."""

from __future__ import annotations

import pytest

from mayfly.store import dedup, records

MESSAGE = records.Message()
KNOWN = {("n", "f", "old"): dedup.Known("there", "a")}


def make(identity, key=None, fingerprint="a", function="f"):
    return records.NewInvocation(identity, "n", function, MESSAGE, 0.0, dedup_key=key, fingerprint=fingerprint)


@pytest.mark.parametrize(
    ("batch", "together", "expected"),
    [
        ([], True, []),
        ([make("1"), make("2")], True, [("new", "1"), ("new", "2")]),
        ([make("1", "old")], True, [("duplicate", "there")]),
        ([make("1", "old", "b")], True, [("conflict", "there")]),
        ([make("1", "old", "b", "g")], True, [("new", "1")]),
        ([make("1", "k"), make("2", "k")], True, [("new", "1"), ("duplicate", "1")]),
        ([make("1", "k"), make("2", "k", "b")], True, [("withheld", "1"), ("conflict", "1")]),
        (
            [make("1", "k"), make("2", "k"), make("3", "old"), make("4", "old", "b")],
            True,
            [("withheld", "1"), ("withheld", "1"), ("duplicate", "there"), ("conflict", "there")],
        ),
        ([make("1"), make("2", "old", "b")], False, [("new", "1"), ("conflict", "there")]),
    ],
    ids=["empty", "no keys", "known", "other work", "elsewhere", "twice", "against itself", "all kinds", "apart"],
)
def test_verdicts(batch, together, expected):
    """One receipt for each, in order."""
    receipts = dedup.decide(batch, KNOWN.get, together=together)
    assert [(receipt.verdict.value, receipt.id) for receipt in receipts] == expected
