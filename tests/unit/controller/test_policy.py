"""The table of what to do after an error."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.cluster import answer
from mayfly.controller import policy


def walk(kind):
    yield kind
    for child in kind.__subclasses__():
        yield from walk(child)


TREE = [kind for kind in walk(errors.MayflyError) if kind.__module__ == errors.__name__]


def test_the_table_is_complete():
    """Every class of the tree has a row of its own, and no row is left of a class that is gone."""
    assert set(TREE) == set(policy.ACTIONS)


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind.temporary], ids=lambda kind: kind.__name__)
def test_what_is_temporary_is_tried_again(kind):
    """Stopping at something that passes by itself would leave a Function behind."""
    assert policy.ACTIONS[kind] is not policy.Action.STOP


def test_an_unlisted_class_counts_as_its_parent():
    """Rooms may have subclasses of their own."""
    assert policy.decide(answer.Expired("too old")) is policy.Action.RETRY
    assert policy.decide(errors.SyntaxProblem("a.py:1")) is policy.Action.STOP
