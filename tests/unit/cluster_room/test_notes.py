"""Folding many happenings into few Events."""

from __future__ import annotations

import pytest

from mayfly.cluster import notes

FUNCTION = {
    "apiVersion": "mayfly.dev/v1alpha1",
    "kind": "Function",
    "metadata": {"name": "thumb", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}


def add(book, message="built", reason="Built", obj=FUNCTION, wall="2026-01-01T00:00:00Z"):
    book.add(obj, type_="Normal", reason=reason, message=message, wall=wall)


def drain(book, now=0.0):
    taken = []
    while (note := book.take(now=now, pause=30)) is not None:
        taken.append(note)
    return taken


def test_the_same_again_counts_up_and_waits():
    """A repetition raises the count of the Event that is there, and is written no sooner than the pause allows."""
    book = notes.Notes()
    add(book)
    assert [note.count for note in drain(book)] == [1]
    add(book, wall="2026-01-01T00:00:09Z")
    assert drain(book, now=29) == []
    (note,) = drain(book, now=30)
    assert (note.count, note.first, note.last) == (2, "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z")


def test_many_texts_of_one_reason_become_one():
    """A message with a counter in it cannot flood the API: beyond ten texts, one Event takes the rest."""
    book = notes.Notes()
    for number in range(1000):
        add(book, message=f"attempt {number} failed", reason="BuildFailed")
    taken = drain(book)
    assert len(taken) == notes.MAX_VARIANTS + 1
    assert taken[-1].message == f"{notes.COMBINED}attempt 999 failed"
    assert taken[-1].count == 1000 - notes.MAX_VARIANTS


def test_memory_is_bounded():
    """However many objects come by, only so many are remembered."""
    book = notes.Notes()
    for number in range(notes.MAX_KNOWN * 2):
        add(book, obj={**FUNCTION, "metadata": {"name": f"f{number}", "namespace": "shop"}})
    assert len(book) == notes.MAX_KNOWN
    assert len(drain(book)) == notes.MAX_KNOWN


def test_what_was_not_stored_comes_again():
    """A note that the API did not take is due again after the pause."""
    book = notes.Notes()
    add(book)
    (note,) = drain(book)
    book.retry(note)
    assert drain(book, now=30) == [note]


@pytest.mark.parametrize(
    ("metadata", "namespace"),
    [({"name": "a", "namespace": "shop"}, "shop"), ({"name": "a"}, "default")],
)
def test_event_lies_with_its_object(metadata, namespace):
    """An Event lies in its object's namespace; that of an object without one in ``default``."""
    book = notes.Notes()
    add(book, message="m" * 5000, obj={**FUNCTION, "metadata": metadata})
    (note,) = drain(book)
    event = notes.make_event(note, name="a.1", component="mayfly-controller", instance="pod-1")
    assert event["metadata"] == {"name": "a.1", "namespace": namespace}
    assert len(event["message"]) == notes.MAX_MESSAGE
