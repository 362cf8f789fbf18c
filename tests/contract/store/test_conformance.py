"""What every store promises, on each backend."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from mayfly import errors
from mayfly.store import ids, records
from tests.contract.store.make import (
    MESSAGE,
    NOW,
    TERMS,
    accept_one,
    claim,
    claim_one,
    kill,
    make_invocation,
    make_try,
    settle,
)

S = records.State
V = records.Verdict


@pytest.fixture(autouse=True)
async def conserved(store):
    """I5: whatever a test did, the books balance and agree with the rows."""
    yield
    with_books = await store.conservation()
    assert with_books.drift == 0, with_books


# -- in --


async def test_what_was_accepted_is_there_as_it_was(store):
    """Every field and byte comes back with the lease."""
    one = make_invocation(
        expires=NOW + 60, kind="call", target="https://x/y", revision="mail-3", parent="p", depth=2, context='{"a": 1}'
    )
    await store.accept([one], now=NOW)
    lease = await claim_one(store)
    assert lease.message == MESSAGE
    kept = dataclasses.asdict(lease.invocation)
    assert {name: kept[name] for name in kept.keys() & dataclasses.asdict(one).keys()} == {
        name: value for name, value in dataclasses.asdict(one).items() if name in kept
    }
    assert (lease.invocation.accepted, lease.invocation.state) == (NOW, S.LEASED)
    assert await store.message(namespace="shop", invocation_id=one.id) == MESSAGE


async def test_one_message_for_many_functions(store):
    """Fan-out: one batch, one message, as many invocations."""
    message = records.Message(body=b"x" * 1000)
    batch = [make_invocation(function=f"f{number}", message=message) for number in range(5)]
    receipts = await store.accept(batch, now=NOW)
    assert [receipt.id for receipt in receipts] == [one.id for one in batch]
    assert {lease.message for lease in await claim(store)} == {message}


async def test_an_empty_batch_is_accepted(store):
    """Nothing to do is no error."""
    assert await store.accept([], now=NOW) == ()


async def test_i1_no_fake_accept_of_a_batch_that_fails(store):
    """I1: a batch of which one id is taken is stored not at all, and others in the same commit are."""
    taken = await accept_one(store)
    bad = [make_invocation(), make_invocation(id=taken)]
    good = [make_invocation() for _ in range(10)]
    answers = await asyncio.gather(
        *(store.accept([one], now=NOW) for one in good[:5]),
        store.accept(bad, now=NOW),
        *(store.accept([one], now=NOW) for one in good[5:]),
        return_exceptions=True,
    )
    assert isinstance(answers[5], errors.StoreError)
    page = await store.list(namespace="shop")
    assert {item.id for item in page.items} == {taken, *(one.id for one in good)}


async def test_a_message_over_the_limit_is_refused(open_store):
    """The limit counts body and headers."""
    store = await open_store("small", limits=records.Limits(message_bytes=100))
    with pytest.raises(errors.EventTooLarge, match=r"101 bytes.*at most 100"):
        await store.accept([make_invocation(message=records.Message((("a", "bc"),), b"x" * 98))], now=NOW)
    await store.accept([make_invocation(message=records.Message((("a", "bc"),), b"x" * 97))], now=NOW)
    assert (await store.conservation()).books.accepted == 1


async def test_a_dedup_key_makes_one(store):
    """The same key and work is the first one; other work under it is a conflict; elsewhere the key means nothing."""
    first = await accept_one(store, dedup_key="k", fingerprint="a")
    again = make_invocation(dedup_key="k", fingerprint="a")
    assert await store.accept([again], now=NOW) == (records.Receipt(V.DUPLICATE, first),)
    other = make_invocation(dedup_key="k", fingerprint="b")
    assert await store.accept([other], now=NOW) == (records.Receipt(V.CONFLICT, first),)
    await accept_one(store, dedup_key="k", fingerprint="b", function="stock")
    await accept_one(store, dedup_key="k", fingerprint="b", namespace="bank")


async def test_a_conflict_withholds_its_batch(store):
    """All or nothing."""
    first = await accept_one(store, dedup_key="k", fingerprint="a")
    batch = [
        make_invocation(),
        make_invocation(dedup_key="k", fingerprint="a"),
        make_invocation(dedup_key="k", fingerprint="b"),
    ]
    receipts = await store.accept(batch, now=NOW)
    assert [receipt.verdict for receipt in receipts] == [V.WITHHELD, V.DUPLICATE, V.CONFLICT]
    assert [item.id for item in (await store.list(namespace="shop")).items] == [first]


async def test_a_batch_that_repeats_itself(store):
    """Within a batch the first of a key counts."""
    batch = [make_invocation(dedup_key="k"), make_invocation(dedup_key="k"), make_invocation()]
    receipts = await store.accept(batch, now=NOW)
    assert [receipt.verdict for receipt in receipts] == [V.NEW, V.DUPLICATE, V.NEW]
    assert receipts[1].id == batch[0].id


async def test_the_same_key_a_hundred_times_at_once(store):
    """Concurrent accepts of one key make one invocation, and all are told its id."""
    answers = await asyncio.gather(
        *(store.accept([make_invocation(dedup_key="k"), make_invocation()], now=NOW) for _ in range(100))
    )
    receipts = [answer[0] for answer in answers]
    assert len({receipt.id for receipt in receipts}) == 1
    assert sorted(receipt.verdict.value for receipt in receipts) == ["duplicate"] * 99 + ["new"]
    assert (await store.conservation()).books.accepted == 101


async def test_a_key_outlives_its_invocation_until_purged(store):
    """A settled one answers for its key; a purged one does not."""
    first = await accept_one(store, dedup_key="k")
    await settle(store, await claim_one(store))
    (receipt,) = await store.accept([make_invocation(dedup_key="k")], now=NOW)
    assert receipt == records.Receipt(V.DUPLICATE, first)
    assert await store.purge(settled_before=NOW + 2) == 1
    await accept_one(store, dedup_key="k")


# -- delivery --


async def test_what_is_not_due_is_not_claimed(store):
    """Due times are kept to the instant, and next_due tells the earliest."""
    assert await store.next_due() is None
    await accept_one(store, due=NOW + 10)
    early = await accept_one(store, due=NOW + 5.25)
    assert await store.next_due() == NOW + 5.25
    assert await claim(store, now=NOW + 5.2) == ()
    assert (await claim_one(store, now=NOW + 5.25)).invocation.id == early
    assert await store.next_due() == NOW + 10


async def test_the_earliest_due_comes_first(store):
    """Within a queue the order is by due, whatever the order of arrival."""
    due = [NOW - number for number in (3, 1, 2)]
    for instant in due:
        await accept_one(store, due=instant)
    assert [lease.invocation.due for lease in await claim(store)] == sorted(due)


async def test_capacity_is_never_exceeded(store):
    """A function gets what it has room for, and one without room waits without stopping others."""
    for function in ("full", "small", "large"):
        await store.accept([make_invocation(function=function) for _ in range(20)], now=NOW)
    terms = {("shop", "full"): records.Terms(0, 30), ("shop", "small"): records.Terms(3, 30)}
    leases = await claim(store, terms=terms)
    got = [lease.invocation.function for lease in leases]
    assert (got.count("full"), got.count("small"), got.count("large")) == (0, 3, 20)


async def test_a_limit_is_kept_and_shared(store):
    """Namespaces first, their functions next: a namespace with many functions gets no more than one with one."""
    for number in range(4):
        await store.accept([make_invocation(namespace="a", function=f"f{number}") for _ in range(10)], now=NOW)
    await store.accept([make_invocation(namespace="b") for _ in range(40)], now=NOW)
    leases = await claim(store, limit=20)
    got = [(lease.invocation.namespace, lease.invocation.function) for lease in leases]
    assert len(got) == 20
    assert got.count(("b", "mail")) == 10
    assert all(got.count(("a", f"f{number}")) in {2, 3} for number in range(4))


async def test_turns_go_on_where_they_ended(store):
    """With a limit of one, claim after claim serves everybody."""
    for namespace in "abc":
        await store.accept([make_invocation(namespace=namespace) for _ in range(3)], now=NOW)
    served = [(await claim_one(store, limit=1)).invocation.namespace for _ in range(9)]
    assert served == list("abcabcabc")


async def test_a_flood_delays_nobody_else(store):
    """Whoever waits beside 20,000 of another tenant is in the next claim."""
    message = records.Message(body=b"flood")
    for _ in range(20):
        await store.accept([make_invocation(namespace="a", message=message) for _ in range(1000)], now=NOW - 100)
    await accept_one(store, namespace="b")
    assert "b" in {lease.invocation.namespace for lease in await claim(store, limit=2)}


async def test_a_lapsed_lease_is_claimable_and_remembered(store):
    """The attempt counts, its outcome is unknown, and the epoch rises."""
    await accept_one(store)
    first = await claim_one(store)
    assert first.until == NOW + 30
    assert await store.next_due() == NOW + 30
    assert await claim(store, now=NOW + 29.9) == ()
    second = await claim_one(store, now=NOW + 30, worker="w2")
    assert second.epoch > first.epoch
    assert (second.invocation.attempts, second.invocation.tries, second.invocation.worker) == (1, 1, "w2")
    (attempt,) = await store.attempts(namespace="shop", invocation_id=first.invocation.id)
    assert (attempt.tried, attempt.started, attempt.ended, attempt.worker) == (records.Tried.UNKNOWN, NOW, None, "w1")


async def test_i3_a_stale_lease_settles_nothing(store):
    """I3: neither settle nor extend works with an old epoch, and follow-ups are not made."""
    await accept_one(store)
    stale = await claim_one(store)
    current = await claim_one(store, now=NOW + 31)
    assert not (await settle(store, stale, follow_ups=[make_invocation(function="x")])).current
    assert not await store.extend(invocation_id=stale.invocation.id, epoch=stale.epoch, until=NOW + 99)
    kept = await store.get(namespace="shop", invocation_id=stale.invocation.id)
    assert (kept.state, kept.epoch, kept.lease_until) == (S.LEASED, current.epoch, NOW + 61)
    assert (await settle(store, current)).current
    assert (await store.conservation()).books.accepted == 1


async def test_i2_a_lease_settles_once(store):
    """I2: of concurrent settlements of one lease one is taken."""
    await accept_one(store)
    lease = await claim_one(store)
    outcomes = [records.Delivered(), records.Dead("Gone"), records.Retry(NOW)] * 5
    answers = await asyncio.gather(*(settle(store, lease, outcome) for outcome in outcomes))
    assert sum(answer.current for answer in answers) == 1
    assert len(await store.attempts(namespace="shop", invocation_id=lease.invocation.id)) == 1


async def test_i7_a_lease_can_be_extended(store):
    """I7: as long as its holder says so it does not lapse."""
    await accept_one(store)
    lease = await claim_one(store)
    assert await store.extend(invocation_id=lease.invocation.id, epoch=lease.epoch, until=NOW + 90)
    assert await claim(store, now=NOW + 89) == ()
    assert (await claim_one(store, now=NOW + 90)).epoch > lease.epoch


async def test_late_but_current_settles(store):
    """A lease that ran out but was not collected is still the current one."""
    await accept_one(store)
    assert (await settle(store, await claim_one(store), now=NOW + 1000)).current


async def test_lapse_lets_a_worker_begin_anew(store):
    """A dispatcher that comes back does not wait for its own old leases; others keep theirs."""
    await accept_one(store)
    await accept_one(store, function="stock")
    await claim(store, limit=1)
    await claim(store, limit=1, worker="w2")
    assert await store.lapse(worker="w1", now=NOW) == 1
    again = await claim_one(store)
    assert (again.invocation.attempts, again.epoch) == (1, 2)


async def test_delivered_keeps_the_result(store):
    """Body byte for byte, headers in order."""
    identity = await accept_one(store)
    result = records.Result(201, (("x", "1"), ("x", "2")), bytes(range(256)))
    await settle(store, await claim_one(store), records.Delivered(result), attempt=make_try(status=201, revision="r7"))
    assert await store.result(namespace="shop", invocation_id=identity) == result
    kept = await store.get(namespace="shop", invocation_id=identity)
    assert (kept.state, kept.settled, kept.status, kept.lease_until) == (S.DELIVERED, NOW + 1, 201, None)
    (attempt,) = await store.attempts(namespace="shop", invocation_id=identity)
    expected = records.Attempt(1, records.Tried.DELIVERED, NOW, NOW + 1, 201, "", "w1", "r7")
    assert attempt == expected
    assert await store.next_due() is None


async def test_a_long_result_is_cut(open_store):
    """Cut, and said so; texts as well, and what a database cannot hold in them is replaced."""
    store = await open_store("small", limits=records.Limits(result_bytes=10, text_characters=5))
    identity = await accept_one(store)
    result = records.Result(200, (), b"x" * 11)
    await settle(store, await claim_one(store), records.Dead("Bad", "d" * 9, result), attempt=make_try(error="e\0" * 9))
    assert await store.result(namespace="shop", invocation_id=identity) == records.Result(200, (), b"x" * 10, True)
    (attempt,) = await store.attempts(namespace="shop", invocation_id=identity)
    kept = await store.get(namespace="shop", invocation_id=identity)
    assert (attempt.error, kept.detail) == ("e\ufffde\ufffde", "ddddd")


async def test_retry_waits_until_it_is_due(store):
    """Attempts add up; the state is waiting again."""
    identity = await accept_one(store)
    for number in range(3):
        lease = await claim_one(store, now=NOW + 10 * number)
        await settle(store, lease, records.Retry(NOW + 10 * number + 10), attempt=make_try(status=503, error="busy"))
    assert await claim(store, now=NOW + 29) == ()
    kept = await store.get(namespace="shop", invocation_id=identity)
    assert (kept.state, kept.attempts, kept.tries, kept.status, kept.epoch) == (S.WAITING, 3, 3, 503, 3)
    tried = await store.attempts(namespace="shop", invocation_id=identity)
    assert [(one.number, one.tried, one.error) for one in tried] == [
        (number, records.Tried.RETRIED, "busy") for number in (1, 2, 3)
    ]


async def test_giving_a_lease_back_is_no_attempt(store):
    """A dispatcher that shuts down before sending leaves no trace but the epoch."""
    identity = await accept_one(store)
    await settle(store, await claim_one(store), records.Retry(NOW), attempt=None)
    kept = await store.get(namespace="shop", invocation_id=identity)
    assert (kept.state, kept.attempts, kept.epoch) == (S.WAITING, 0, 1)


async def test_i4_the_dead_tell_the_truth(store):
    """I4: reason, detail, last status and every attempt."""
    identity = await kill(store)
    kept = await store.get(namespace="shop", invocation_id=identity)
    assert (kept.state, kept.reason, kept.detail, kept.status) == (S.DEAD, "RetriesExhausted", "HTTP 500", 500)
    (attempt,) = await store.attempts(namespace="shop", invocation_id=identity)
    assert attempt.tried is records.Tried.DEAD


async def test_i2_follow_ups_come_with_the_outcome(store):
    """I2: one transaction; a duplicate is not made twice, a conflict loses itself alone."""
    await accept_one(store)
    known = await accept_one(store, function="audit", dedup_key="k", fingerprint="a", due=NOW + 99)
    follow_ups = [
        make_invocation(function="next", parent="p", depth=1),
        make_invocation(function="audit", dedup_key="k", fingerprint="a"),
        make_invocation(function="audit", dedup_key="k", fingerprint="b"),
    ]
    settled = await settle(store, await claim_one(store), follow_ups=follow_ups)
    assert settled == records.Settled(
        True,
        (
            records.Receipt(V.NEW, follow_ups[0].id),
            records.Receipt(V.DUPLICATE, known),
            records.Receipt(V.CONFLICT, known),
        ),
    )
    lease = await claim_one(store, now=NOW + 1)
    assert (lease.invocation.id, lease.invocation.depth) == (follow_ups[0].id, 1)


async def test_i2_no_outcome_without_its_follow_ups(store):
    """I2: when a follow-up cannot be stored the outcome is not either."""
    taken = await accept_one(store, due=NOW + 99)
    await accept_one(store)
    lease = await claim_one(store)
    with pytest.raises(errors.StoreError):
        await settle(store, lease, follow_ups=[make_invocation(id=taken)])
    assert (await store.get(namespace="shop", invocation_id=lease.invocation.id)).state is S.LEASED
    assert (await settle(store, lease)).current


async def test_wait_wakes_for_what_comes(store):
    """An accept wakes a dispatcher; nothing wakes it for nothing for ever."""
    while await store.wait(seconds=0.01):
        pass
    waiting = asyncio.ensure_future(store.wait(seconds=30))
    await asyncio.sleep(0)
    await accept_one(store)
    assert await waiting
    await accept_one(store)
    assert await store.wait(seconds=30)


# -- control --


async def test_cancel_what_waits(store):
    """It is not delivered, and stays as it is when cancelled again."""
    identity = await accept_one(store)
    cancelled = await store.cancel(namespace="shop", invocation_id=identity, now=NOW + 1)
    assert (cancelled.state, cancelled.settled, cancelled.attempts) == (S.CANCELLED, NOW + 1, 0)
    assert await claim(store) == ()
    assert await store.cancel(namespace="shop", invocation_id=identity, now=NOW + 2) == cancelled
    assert await store.next_due() is None


async def test_cancel_what_is_under_way(store):
    """Its holder finds out, cannot settle, and the attempt is on record."""
    identity = await accept_one(store)
    lease = await claim_one(store)
    await store.cancel(namespace="shop", invocation_id=identity, now=NOW + 1)
    assert not await store.extend(invocation_id=identity, epoch=lease.epoch, until=NOW + 99)
    assert not (await settle(store, lease)).current
    assert await claim(store, now=NOW + 100) == ()
    (attempt,) = await store.attempts(namespace="shop", invocation_id=identity)
    assert attempt.tried is records.Tried.CANCELLED


async def test_cancel_or_redrive_what_is_delivered(store):
    """Too late is not an error: the caller sees how it stands."""
    identity = await accept_one(store)
    await settle(store, await claim_one(store))
    for found in (
        await store.cancel(namespace="shop", invocation_id=identity, now=NOW),
        await store.redrive(namespace="shop", invocation_id=identity, now=NOW),
    ):
        assert found.state is S.DELIVERED


async def test_redrive_begins_anew_and_forgets_nothing(store):
    """Tries begin at 0, attempts stay, the reason goes, and it can be delivered."""
    identity = await kill(store, expires=NOW + 5)
    found = await store.redrive(namespace="shop", invocation_id=identity, now=NOW + 50, expires=NOW + 99)
    assert (found.state, found.tries, found.attempts, found.redrives) == (S.WAITING, 0, 1, 1)
    assert (found.reason, found.detail, found.settled, found.expires, found.due) == ("", "", None, NOW + 99, NOW + 50)
    lease = await claim_one(store, now=NOW + 50)
    assert lease.message == MESSAGE
    await settle(store, lease)
    tried = [one.tried for one in await store.attempts(namespace="shop", invocation_id=identity)]
    assert tried == [records.Tried.DEAD, records.Tried.DELIVERED]


async def test_replay_sends_a_copy_elsewhere(store):
    """A new invocation with the old message, and the old one as it was."""
    identity = await accept_one(store, dedup_key="k", context="c")
    await settle(store, await claim_one(store))
    new = ids.make_id(NOW + 9)
    copy = await store.replay(namespace="shop", invocation_id=identity, new_id=new, now=NOW + 9, revision="mail-2")
    assert (copy.id, copy.parent, copy.revision, copy.dedup_key, copy.context) == (new, identity, "mail-2", None, "c")
    assert await store.purge(settled_before=NOW + 5) == 1
    assert (await claim_one(store, now=NOW + 9)).message == MESSAGE


async def test_replay_of_what_is_not_settled(store):
    """It is returned as it is."""
    identity = await accept_one(store)
    found = await store.replay(namespace="shop", invocation_id=identity, new_id=ids.make_id(NOW), now=NOW)
    assert (found.id, found.state) == (identity, S.WAITING)


async def test_purge_takes_the_old_and_settled(store):
    """By age, state, namespace and function; what is not settled stays; nothing is left behind."""
    await kill(store)
    await kill(store, function="stock")
    await kill(store, namespace="bank")
    await accept_one(store)
    await settle(store, await claim_one(store), records.Delivered(records.Result(200, (), b"x")), now=NOW + 50)
    waiting = await accept_one(store)
    assert await store.purge(settled_before=NOW + 1) == 0
    assert await store.purge(settled_before=NOW + 2, namespace="shop", function="mail") == 1
    assert await store.purge(settled_before=NOW + 99, states=frozenset({S.DELIVERED})) == 1
    assert await store.purge(settled_before=NOW + 99, limit=1) == 1
    assert await store.purge(settled_before=NOW + 99) == 1
    assert [item.id for item in (await store.list(namespace="shop")).items] == [waiting]
    assert (await store.conservation()).books == records.Count(accepted=5, waiting=1, purged=4)


async def test_purge_keeps_a_message_that_others_send(store):
    """Fan-out: the last one out deletes it."""
    message = records.Message(body=b"shared")
    await store.accept([make_invocation(function=name, message=message) for name in "ab"], now=NOW)
    first, second = await claim(store)
    await settle(store, first)
    assert await store.purge(settled_before=NOW + 2) == 1
    assert await store.message(namespace="shop", invocation_id=second.invocation.id) == message


# -- reading --


async def test_no_namespace_sees_another(store):
    """Whoever asks with the wrong namespace finds nothing and changes nothing."""
    identity = await kill(store)
    wrong = {"namespace": "bank", "invocation_id": identity}
    assert [await getattr(store, read)(**wrong) for read in ("get", "message", "result")] == [None] * 3
    assert await store.attempts(**wrong) == ()
    assert (await store.list(namespace="bank")).items == ()
    assert await store.cancel(**wrong, now=NOW) is None
    assert await store.redrive(**wrong, now=NOW) is None
    assert await store.replay(**wrong, new_id=ids.make_id(NOW), now=NOW) is None
    assert await store.purge(settled_before=NOW + 99, namespace="bank") == 0
    assert (await store.counts(namespace="bank")) == {}
    assert (await store.get(namespace="shop", invocation_id=identity)).state is S.DEAD


async def test_pages_list_everything_once(store):
    """The newest first, while others arrive."""
    known = [await accept_one(store, now=NOW + number, due=NOW) for number in range(7)]
    page = await store.list(namespace="shop", limit=3)
    await accept_one(store, now=NOW + 99)
    listed = [item.id for item in page.items]
    while page.cursor:
        page = await store.list(namespace="shop", limit=3, cursor=page.cursor)
        listed += [item.id for item in page.items]
    assert listed == known[::-1]


async def test_selections(store):
    """By function, state and time of acceptance, alone and together."""
    dead = await kill(store)
    old = await accept_one(store, now=NOW - 100, due=NOW - 100, function="stock")
    new = await accept_one(store, now=NOW + 100, due=NOW + 100, function="stock")

    async def select(**conditions):
        page = await store.list(namespace="shop", selection=records.Selection(**conditions))
        return {item.id for item in page.items}

    assert await select(function="stock") == {old, new}
    assert await select(states=frozenset({S.DEAD})) == {dead}
    assert await select(states=frozenset({S.DEAD, S.WAITING})) == {dead, old, new}
    assert await select(states=frozenset()) == set()
    assert await select(since=NOW - 100, until=NOW + 100) == {dead, old}
    assert await select(function="stock", states=frozenset({S.WAITING}), since=NOW) == {new}


async def test_counts_and_lags(store):
    """The books of each function, and the oldest that waits."""
    await accept_one(store, due=NOW - 5)
    await accept_one(store, due=NOW - 3)
    await accept_one(store, function="stock", namespace="bank")
    await claim(store, limit=1, terms={("bank", "stock"): records.Terms(0, 1)})
    assert await store.counts() == {
        ("shop", "mail"): records.Count(accepted=2, waiting=1, leased=1),
        ("bank", "stock"): records.Count(accepted=1, waiting=1),
    }
    assert await store.counts(namespace="bank") == {("bank", "stock"): records.Count(accepted=1, waiting=1)}
    assert await store.lags() == {("shop", "mail"): NOW - 3, ("bank", "stock"): NOW}
    assert (await store.conservation(namespace="bank")).rows == {S.WAITING: 1}


async def test_everything_at_once_conserves(store):
    """I5: accepts, claims, settlements, cancellations and purges side by side."""

    async def send():
        for _ in range(20):
            await store.accept([make_invocation(), make_invocation(namespace="bank")], now=NOW)

    async def work(worker):
        for number in range(15):
            for lease in await claim(store, limit=5, worker=worker):
                outcome = (records.Delivered(), records.Retry(NOW), records.Dead("Bad"))[number % 3]
                await settle(store, lease, outcome)

    async def control():
        for _ in range(15):
            for item in (await store.list(namespace="shop", limit=2)).items:
                await store.cancel(namespace="shop", invocation_id=item.id, now=NOW)
            assert (await store.conservation()).drift == 0
            await store.purge(settled_before=NOW + 9, limit=3)

    await asyncio.gather(*(send() for _ in range(4)), work("a"), work("b"), control())
    assert (await store.conservation()).books.accepted == 160


async def test_a_closed_store_says_so(open_store):
    """No call hangs, none is silently lost."""
    store = await open_store("other")
    accepting = asyncio.ensure_future(store.accept([make_invocation()], now=NOW))
    await asyncio.sleep(0)
    await store.close()
    assert (await accepting)[0].verdict is V.NEW
    with pytest.raises(errors.StoreUnavailable):
        await store.accept([make_invocation()], now=NOW)
    with pytest.raises(errors.StoreUnavailable):
        await store.counts()


async def test_opened_again_it_goes_on(open_store):
    """What waits is found, what was leased stays leased, and the epoch goes on rising."""
    first = await open_store("again")
    await accept_one(first)
    await accept_one(first, function="stock", due=NOW + 5)
    lease = await claim_one(first)
    await first.close()
    second = await open_store("again")
    assert (await claim_one(second, now=NOW + 5)).invocation.function == "stock"
    assert (await claim_one(second, now=NOW + 30, default=TERMS)).epoch == lease.epoch + 1
    assert (await second.conservation()).drift == 0


async def test_pages_of_the_dead_list_everything_once(store):
    """A selection by state goes through its own index, page after page."""
    dead = [await kill(store, function=f"f{number % 2}", now=NOW + number, due=NOW) for number in range(5)]
    await accept_one(store)
    selection = records.Selection(states=frozenset({S.DEAD}))
    page = await store.list(namespace="shop", selection=selection, limit=2)
    listed = [item.id for item in page.items]
    while page.cursor:
        page = await store.list(namespace="shop", selection=selection, limit=2, cursor=page.cursor)
        listed += [item.id for item in page.items]
    assert listed == dead[::-1]
