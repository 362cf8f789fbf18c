"""Ids, books, columns and schemas."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from mayfly.store import books, ids, records
from mayfly.store.lite import schema as lite_schema
from mayfly.store.pg import schema as pg_schema

S = records.State


def test_ids_are_uuids_of_version_7_that_sort_by_time():
    """RFC 9562: version, variant, and milliseconds first."""
    made = [ids.make_id(1_790_000_000 + number / 1000) for number in range(100)]
    assert made == sorted(made)
    parsed = uuid.UUID(made[0])
    assert (parsed.version, parsed.variant, parsed.int >> 80) == (7, uuid.RFC_4122, 1_790_000_000_000)
    assert ids.make_id(1) != ids.make_id(1)


def test_books_are_summed_for_each_queue_in_order():
    """Moves that cancel out are not written at all."""
    entries = books.Entries()
    entries.accept(("b", "f"))
    entries.accept(("a", "f"))
    entries.move(("a", "f"), S.WAITING, S.LEASED)
    entries.move(("c", "f"), S.WAITING, S.LEASED)
    entries.move(("c", "f"), S.LEASED, S.WAITING)
    entries.purge(("d", "f"), S.DEAD)
    drained = [(queue, records.Count(*sums)) for queue, sums in entries.drain()]
    assert drained == [
        (("a", "f"), records.Count(accepted=1, leased=1)),
        (("b", "f"), records.Count(accepted=1, waiting=1)),
        (("d", "f"), records.Count(dead=-1, purged=1)),
    ]
    assert all(count.balance == 0 for _, count in drained)
    assert list(entries.drain()) == []


@pytest.mark.parametrize(
    ("count", "rows", "drift"),
    [
        (records.Count(), {}, 0),
        (records.Count(accepted=3, waiting=1, dead=1, purged=1), {S.WAITING: 1, S.DEAD: 1}, 0),
        (records.Count(accepted=3, waiting=1, dead=1), {S.WAITING: 1, S.DEAD: 1}, 1),
        (records.Count(accepted=2, waiting=1, dead=1), {S.WAITING: 2}, 2),
        (records.Count(accepted=1, waiting=2, dead=-1), {S.WAITING: 1}, 2),
    ],
    ids=["empty", "balanced", "one lost", "misplaced", "errors that cancel out"],
)
def test_drift_misses_nothing(count, rows, drift):
    """I5: errors that cancel out in the sum are seen."""
    assert records.Conservation(count, rows).drift == drift


@pytest.mark.parametrize(
    ("steps", "released"),
    [
        (lite_schema.STEPS, ["47aa1e51d30d4d58"]),
        (pg_schema.STEPS, ["e9509effdc2e5385"]),
    ],
    ids=["sqlite", "postgres"],
)
def test_a_released_step_never_changes(steps, released):
    """Whoever took a step would not take its new text: write another step, and add its digest here."""
    digests = [hashlib.sha256("\n".join(step).encode()).hexdigest()[:16] for step in steps]
    assert digests == released
