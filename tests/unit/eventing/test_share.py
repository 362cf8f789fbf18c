"""With several replicas a concurrency holds for all together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.eventing.delivery import share
from mayfly.store import records

QUEUES = [("shop", f"f{number}") for number in range(3000)]
MAIL = ("shop", "mail")
NAMES = st.lists(st.sampled_from([f"eventing-{number}" for number in range(8)]), max_size=8, unique=True)


@settings(deadline=None)
@given(NAMES, st.randoms(use_true_random=False))
def test_everybody_names_the_same_owner(members, random):
    """Whatever the order in which they know each other; nobody names one who is not there."""
    shuffled = list(members)
    random.shuffle(shuffled)
    for queue in QUEUES[:20]:
        owner = share.find_owner(queue, tuple(members))
        assert owner == share.find_owner(queue, tuple(shuffled))
        assert owner in members if members else owner is None


@settings(deadline=None)
@given(NAMES.filter(lambda members: len(members) > 1))
def test_who_goes_leaves_only_his_own(members):
    left = tuple(members[1:])
    for queue in QUEUES[:50]:
        before, after = share.find_owner(queue, tuple(members)), share.find_owner(queue, left)
        assert after == before or before == members[0]


def test_shares_are_even():
    owned = Counter(share.find_owner(queue, ("a", "b", "c")) for queue in QUEUES)
    assert all(900 < number < 1100 for number in owned.values())


@settings(deadline=None)
@given(NAMES, st.integers(1, 10))
def test_all_together_have_what_was_asked_for(members, concurrency):
    replicas = [share.Shares(member) for member in members]
    for one in replicas:
        one.deal([MAIL], tuple(members))
        one.learn({}, {})
    assert sum(one.make_width(MAIL, concurrency) for one in replicas) == (concurrency if members else 0)


def test_who_takes_over_waits_for_what_others_have_under_way():
    """Nothing before the books were read, then what others leave, then all."""
    one = share.Shares("a")
    one.deal([MAIL], ("a",))
    assert one.unsettled
    assert one.make_width(MAIL, 4) == 0
    for leased, own, width in [(9, 0, 0), (3, 0, 1), (3, 1, 2), (2, 2, 4)]:
        one.learn({MAIL: records.Count(leased=leased)}, {MAIL: own})
        assert one.make_width(MAIL, 4) == width
    assert not one.unsettled


def test_what_is_kept_is_not_asked_for_again():
    one = share.Shares("a")
    one.deal([MAIL], ("a",))
    one.learn({}, {})
    one.deal([MAIL, ("shop", "stock")], ("a",))
    assert (one.make_width(MAIL, 2), one.make_width(("shop", "stock"), 2)) == (2, 0)


def test_what_is_another_ones_is_let_go():
    one = share.Shares("a")
    one.deal([MAIL], ("a",))
    one.deal([MAIL], ("b",))
    assert (one.make_width(MAIL, 2), one.unsettled) == (0, False)
