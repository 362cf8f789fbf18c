"""A Function gets what it can take, a namespace no more than leaves room for others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.eventing import target
from mayfly.eventing.delivery import limiter, share, slots
from mayfly.events import lease
from mayfly.store import records
from tests.unit.eventing.make import make_invocation, make_lease

SUCCESS = limiter.Signal.SUCCESS


def make_manifest(name, namespace="shop", **spec):
    metadata = {"name": name, "namespace": namespace, "uid": name}
    return {"metadata": metadata, "spec": {"source": {"inline": {"main.py": ""}}, **spec}}


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def make_slots(*manifests, connections=512, clock=None):
    everyone = [target.parse_target(manifest) for manifest in manifests]
    shares = share.Shares("a")
    shares.deal([one.queue for one in everyone if one.concurrency is not None], ("a",))
    shares.learn({}, {})
    made = slots.Slots(connections=connections, shares=shares, clock=clock or Clock())
    for one in everyone:
        made.hear(one.queue, one)
    return made


def use(some, namespace="shop", function="mail", number=1, **changes):
    message = records.Message(body=changes.pop("body", b"x"))
    taken = [make_lease(message, namespace=namespace, function=function, **changes) for _ in range(number)]
    return [(one, some.take(one)) for one in taken]


def end(some, taken, signal=SUCCESS):
    for one, since in taken:
        some.give_back(one, signal, started=since)


def test_terms_follow_the_function():
    some = make_slots(make_manifest("mail", timeout="5m"), make_manifest("one", delivery={"concurrency": 3}))
    assert some["shop", "mail"] == records.Terms(1, lease.make_lease(300.0))
    assert some["shop", "one"] == records.Terms(3, lease.make_lease(30.0))
    assert some.get(("shop", "nobody"), some.default) == some.default
    assert set(some) == {("shop", "mail"), ("shop", "one")}
    some.hear(("shop", "mail"), None)
    assert set(some) == {("shop", "one")}
    assert some.get(("shop", "mail")) is None


def test_what_is_under_way_takes_room():
    """A concurrency of its own is kept to, whatever the answers; one that is found out grows with success."""
    some = make_slots(make_manifest("mail"), make_manifest("one", delivery={"concurrency": 3}))
    taken = use(some, function="one", number=2)
    assert some["shop", "one"].capacity == 1
    assert not some.is_full(taken[0][0].invocation)
    more = use(some, function="one")
    assert some.is_full(more[0][0].invocation)
    end(some, taken + more, limiter.Signal.OVERLOAD)
    assert some["shop", "one"].capacity == 3
    first = use(some)
    assert some["shop", "mail"].capacity == 0
    end(some, first)
    assert some["shop", "mail"].capacity == 2
    assert (some.total, some.free) == (0, 512)


def test_who_goes_to_sleep_is_cold_again():
    clock = Clock()
    some = make_slots(make_manifest("mail"), clock=clock)
    end(some, use(some))
    clock.now += 30
    some.forget_idle()
    assert some["shop", "mail"].capacity == 2
    clock.now += 1
    assert some["shop", "mail"].capacity == 1
    some.forget_idle()
    assert some["shop", "mail"].capacity == 1


def test_urls_do_not_take_the_functions_room():
    """A callback's host that hangs is no reason to call the function less, and is not stormed either."""
    clock = Clock()
    some = make_slots(make_manifest("one", delivery={"concurrency": 1}), clock=clock)
    outside = {"function": "one", "target": "https://x.example/", "kind": "callback"}
    use(some, number=slots.OUTSIDE - 1, **outside)
    one = make_invocation(**outside)
    assert not some.turns_away(one)
    (last,) = use(some, **outside)
    assert some["shop", "one"].capacity == 1
    assert not some.turns_away(make_invocation(function="one"))
    assert some.turns_away(one)
    assert some["shop", "one"].capacity == 0
    clock.now += slots.TURNED_AWAY_SECONDS
    some.forget_idle()
    assert some["shop", "one"].capacity == 1
    end(some, [last])
    assert not some.turns_away(one)


def test_no_namespace_takes_all():
    """One that hangs takes three quarters, the next three quarters of what is left to both."""
    spec = {"delivery": {"concurrency": 1000}}
    some = make_slots(make_manifest("mail", "a", **spec), make_manifest("mail", "b", **spec), connections=100)
    some.width = 1000
    while number := some["a", "mail"].capacity:
        use(some, "a", number=min(number, some.portion))
    assert 75 <= some.total <= 80
    while number := some["b", "mail"].capacity:
        use(some, "b", number=min(number, some.portion))
    assert some.free > 0
    assert some["a", "mail"].capacity == 0


def test_a_namespace_has_no_more_than_the_process_attends_to():
    spec = {"delivery": {"concurrency": 1000}}
    some = make_slots(make_manifest("mail", "a", **spec), make_manifest("mail", "b", **spec))
    some.width = 30
    use(some, "a", number=some["a", "mail"].capacity)
    assert some.total == 30
    assert (some["a", "mail"].capacity, some["b", "mail"].capacity) == (0, 30)


def test_large_bodies_leave_room_for_others():
    """However large they are, they fit into memory together, and one namespace's are not all of them."""
    names = "abcdef"
    some = make_slots(*(make_manifest("mail", name, delivery={"concurrency": 1000}) for name in names))
    body = bytes(records.DEFAULT_LIMITS.message_bytes)
    for name in names:
        assert some.portion > 0
        while number := min(some.portion, some[name, "mail"].capacity):
            use(some, name, number=number, body=body)
            assert some.total * len(body) <= slots.BYTES


@pytest.mark.parametrize("connections", [1, 2, 3, 10, 512])
def test_a_portion_is_there_while_anything_is_free(connections):
    some = make_slots(make_manifest("mail", delivery={"concurrency": 10_000}), connections=connections)
    while some.free:
        assert 1 <= some.portion <= min(some.free, slots.PORTION)
        use(some, body=b"")
    assert some.portion == 0


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["mail", "one", "nobody"]), st.booleans(), st.booleans()),
        max_size=120,
    ),
)
def test_whatever_comes_and_goes_is_counted(connections, steps):
    """Capacities are never negative, what is free never is, and at the end nothing is under way."""
    manifests = [make_manifest("mail", name) for name in "abc"]
    manifests += [make_manifest("one", name, delivery={"concurrency": 2}) for name in "abc"]
    some, held = make_slots(*manifests, connections=connections), []
    for namespace, function, outside, ends in steps:
        if ends and held:
            end(some, [held.pop()])
        capacity = some.get((namespace, function), some.default).capacity
        assert capacity >= 0
        if min(capacity, some.portion) > 0:
            held += use(some, namespace, function, target="https://x.example/" if outside else "")
        assert 0 <= some.free <= connections
        assert some["a", "one"].capacity <= 2
    end(some, held)
    assert (some.total, some.free, some.inside) == (0, connections, {})
