"""Objects by key: indexes and callbacks agree with the contents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cluster import kinds, store, watch


def make(name, version, owner=None, namespace="shop"):
    owners = [{"apiVersion": "mayfly.dev/v1alpha1", "kind": "Function", "name": owner}] if owner else []
    metadata = {"namespace": namespace, "name": name, "resourceVersion": str(version), "ownerReferences": owners}
    return {"metadata": metadata}


def owner_names(obj):
    return [owner["name"] for owner in obj["metadata"]["ownerReferences"]]


OBJECTS = st.builds(
    make, name=st.sampled_from("abc"), version=st.integers(1, 3), owner=st.sampled_from([None, "x", "y"])
)
STEPS = st.lists(st.tuples(st.just("put"), OBJECTS) | st.tuples(st.just("replace"), st.lists(OBJECTS, max_size=3))
                 | st.tuples(st.just("remove"), OBJECTS), max_size=25)  # fmt: skip


@given(steps=STEPS)
def test_changes_replay_to_the_contents_and_indexes_match(steps):
    """Whoever applies the changes told has the same contents, and an index says what a scan would."""
    known, replayed = store.Store(name="test"), {}
    known.add_index("owner", watch.by_owner(kinds.FUNCTION))

    def note(key, old, new):
        assert replayed.get(key) == old
        if new is None:
            del replayed[key]
        else:
            replayed[key] = new

    known.add_callback(note)
    for verb, what in steps:
        if verb == "put":
            known.put(what)
        elif verb == "remove":
            known.remove(store.key_of(what))
        else:
            known.replace({store.key_of(obj): obj for obj in what})
        assert {store.key_of(obj): obj for obj in known.list()} == replayed
        for owner in "xy":
            scan = {store.key_of(obj) for obj in known.list() if owner in owner_names(obj)}
            assert {store.key_of(obj) for obj in known.by_index("owner", f"shop/{owner}")} == scan


def test_a_new_list_tells_only_differences():
    """After a relist the deletion nobody saw is told, the unchanged object is not."""
    known, told = store.Store(name="test"), []
    for obj in (make("same", 1), make("gone", 2), make("changed", 3)):
        known.put(obj)
    known.add_callback(lambda key, old, new: told.append((key.name, old is None, new is None)))
    assert len(told) == 3  # what is there already is told at once
    told.clear()
    fresh = [make("same", 1), make("changed", 4), make("new", 5)]
    known.replace({store.key_of(obj): obj for obj in fresh})
    assert told == [("gone", False, True), ("changed", False, False), ("new", True, False)]


def test_a_broken_callback_harms_nobody(caplog):
    """One callback that raises does not keep the others from hearing."""
    known, heard = store.Store(name="test"), []
    known.add_callback(lambda *_: 1 / 0)
    known.add_callback(lambda key, *_: heard.append(key))
    known.put(make("a", 1))
    assert heard == [("shop", "a")]
    assert "ZeroDivisionError" in caplog.text


def test_owner_of_another_group_does_not_count():
    """A Knative Service's owner named like a Function is not one."""
    obj = make("a", 1)
    obj["metadata"]["ownerReferences"] = [{"apiVersion": "other.dev/v1", "kind": "Function", "name": "x"}]
    assert list(watch.by_owner(kinds.FUNCTION)(obj)) == []


def test_is_newer():
    """Numbers are compared as numbers; anything else by difference."""
    assert watch.is_newer("10", "9")
    assert not watch.is_newer("9", "10")
    assert not watch.is_newer("9", "9")
    assert watch.is_newer("1", None)
    assert watch.is_newer("abc", "abd")
