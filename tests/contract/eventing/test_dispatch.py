"""From a stored invocation to its settlement, over both stores: reliability's fault tests of delivery."""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import time

import pytest
from aiohttp import web

from mayfly.eventing.delivery import dispatch, slots
from mayfly.outside import client as outside
from mayfly.store import records
from tests.contract.eventing import deliveries
from tests.contract.eventing.deliveries import PROMPT, QUICK, make_event, reply_with, until

backend, open_store, functions = deliveries.backend, deliveries.open_store, deliveries.functions
send_out, world = deliveries.send_out, deliveries.world

S = records.State


async def test_a_call_is_delivered_and_its_answer_kept(world):
    """Byte for byte, under its id, and with the figures."""
    world.put("mail")
    world.functions.answer("mail", 201, body=b"done", headers={"x-mine": "1", "content-type": "text/csv"})
    identity = await world.call("mail", body=bytes(range(256)))
    async with world.dispatching():
        found = await world.settled(identity)
    assert (found.state, found.status, found.attempts) == (S.DELIVERED, 201, 1)
    (seen,) = world.functions.seen
    assert seen.body == bytes(range(256))
    assert (seen.id, seen.headers["x-request-id"], seen.headers["mayfly-attempt"]) == (identity, identity, "1")
    result = await world.store.result(namespace="shop", invocation_id=identity)
    assert (result.status, result.body, dict(result.headers)["x-mine"]) == (201, b"done", "1")
    sample = world.figures.registry.get_sample_value
    labels = {"namespace": "shop", "function": "mail", "outcome": "delivered", "reason": ""}
    assert sample("mayfly_eventing_attempts_total", labels) == 1
    assert sample("mayfly_eventing_attempt_seconds_count") == sample("mayfly_eventing_delivery_lag_seconds_count") == 1
    assert sample("mayfly_eventing_deliveries_in_flight") == 0


async def test_fault_6_two_failures_and_then_success(world):
    """One success after three attempts, spaced as the policy says."""
    world.put("mail", delivery={"backoff": {"initial": "200ms", "max": "1s", "jitter": "none"}})
    world.functions.answer("mail", 500, 500, 200)
    identity = await world.call("mail")
    async with world.dispatching():
        found = await world.settled(identity)
    assert (found.state, found.attempts) == (S.DELIVERED, 3)
    first, second, third = await world.attempts(identity)
    assert [one.status for one in (first, second, third)] == [500, 500, 200]
    assert second.started - first.ended >= 0.2
    assert third.started - second.ended >= 0.4
    assert [one.headers["mayfly-attempt"] for one in world.functions.seen] == ["1", "2", "3"]


async def test_fault_7_a_dead_letter_and_its_redrive(world):
    """Always 500: dead once, with reason, attempts and status; redriven after the repair it is delivered."""
    world.put("mail", delivery={"retries": 2, "backoff": PROMPT})
    world.functions.answer("mail", 500, body=b"out of stamps")
    identity = await world.call("mail")
    told = []
    async with world.dispatching(on_dead=lambda queue, reason: told.append((queue, reason))):
        dead = await world.settled(identity)
        assert (dead.state, dead.reason, dead.status, dead.attempts) == (S.DEAD, "RetriesExhausted", 500, 3)
        assert dead.detail == "Attempt 3 of 3 failed: status 500: out of stamps"
        assert (await world.store.conservation()).books.dead == 1
        assert told == [(("shop", "mail"), "RetriesExhausted")]
        world.functions.answer("mail", 200)
        now = time.time()
        await world.store.redrive(namespace="shop", invocation_id=identity, now=now, expires=now + 60)
        found = await world.settled(identity)
    assert (found.state, found.attempts, found.redrives) == (S.DELIVERED, 4, 1)
    labels = {"namespace": "shop", "function": "mail", "outcome": "dead", "reason": "RetriesExhausted"}
    assert world.figures.registry.get_sample_value("mayfly_eventing_attempts_total", labels) == 1


async def test_fault_8_what_is_permanent_is_dead_at_once(world):
    """And what is temporary is tried again."""
    dead, retried = (301, 400, 401, 403, 410, 422), (404, 408, 409, 429, 500, 502, 503, 504, 599)
    for status in (*dead, *retried):
        world.put(f"f{status}", delivery={"retries": 1, "backoff": PROMPT})
        world.functions.answer(f"f{status}", status)
    ids = {status: await world.call(f"f{status}") for status in (*dead, *retried)}
    async with world.dispatching():
        for status, identity in ids.items():
            found = await world.settled(identity)
            wanted = ("Rejected", 1) if status in dead else ("RetriesExhausted", 2)
            assert (found.reason, found.attempts, found.status) == (*wanted, status)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_fault_9_retry_after_is_honoured(world, form):
    """As seconds or as a date, which has no fraction; never beyond the longest pause."""
    world.put("mail", delivery={"backoff": {"initial": "100ms", "max": "3s"}})

    until_then = []

    async def busy(_request):
        until_then.append(int(time.time()) + 2.0)
        date = email.utils.formatdate(until_then[0], usegmt=True)
        return web.Response(status=429, headers={"retry-after": "2" if form == "seconds" else date})

    world.functions.on("mail", busy)
    identity = await world.call("mail")
    async with world.dispatching():

        async def tried_once():
            found = await world.get(identity)
            return found if found.attempts and found.state is S.WAITING else None

        found = await until(tried_once)
        (first,) = await world.attempts(identity)
        assert found.due >= (first.ended + 2.0 if form == "seconds" else until_then[0])
        assert found.due <= first.ended + 2.5
        world.functions.answer("mail", 200)
        await world.settled(identity)
    first, second = await world.attempts(identity)
    assert second.started >= found.due


async def test_fault_10_what_is_too_old_expires(world):
    """A function that is down: tried until the greatest age, given up there, not before."""
    world.put("mail", delivery={"maxAge": "1s", "retries": 100, "backoff": PROMPT})
    identity = await world.call("mail")
    async with world.dispatching(url=f"http://127.0.0.1:{deliveries.ports.free_port()}"):
        found = await world.settled(identity)
    assert (found.state, found.reason, found.status) == (S.DEAD, "Expired", None)
    assert found.settled - found.accepted >= 1.0
    attempts = await world.attempts(identity)
    assert len(attempts) > 1
    assert all(one.error.startswith("Unreachable: ") and one.started < found.expires for one in attempts)


async def test_fault_12_one_key_a_hundred_times_is_one_execution(world):
    """While deliveries go on; everybody is told the same id."""
    world.put("mail")
    async with world.dispatching():
        answers = await asyncio.gather(*(world.call("mail", dedup_key="key:1", fingerprint="a") for _ in range(100)))
        await world.all_settled()
    assert len(set(answers)) == 1
    assert world.functions.count("mail") == 1


async def test_fault_13_a_loop_of_replies_stops(world):
    """A answers with what B wants and B with what A wants: four deliveries, then a dead letter that says why."""
    world.put("a", triggers=[{"event": {"type": "ping"}}])
    world.put("b", triggers=[{"event": {"type": "pong"}}])
    count = 0

    def turn(kind):
        async def answer(_request):
            nonlocal count
            count += 1
            return reply_with(make_event(kind, f"r{count}"))

        return answer

    world.functions.on("a", turn("pong"))
    world.functions.on("b", turn("ping"))
    await world.publish(make_event("ping"))
    async with world.dispatching():
        conservation = await world.all_settled()
    assert [(one.function, one.headers["mayfly-depth"]) for one in world.functions.seen] == [
        ("a", "0"),
        ("b", "1"),
        ("a", "2"),
        ("b", "3"),
    ]
    (dead,) = [one for one in await world.list() if one.state is S.DEAD]
    assert (dead.function, dead.reason, dead.depth, dead.attempts, dead.kind) == ("a", "TooDeep", 4, 0, "reply")
    assert conservation.books.delivered == 4


async def test_fault_13_a_loop_of_destinations_stops(world):
    """Who is told of a success tells nobody of its own."""
    world.put("a", delivery={"onSuccess": {"function": "b"}})
    world.put("b", delivery={"onSuccess": {"function": "a"}})
    await world.call("a")
    async with world.dispatching():
        await world.all_settled()
    assert [one.function for one in world.functions.seen] == ["a", "b"]


async def test_fault_14_a_flood_delays_nobody_else(world):
    """While one tenant's flood is worked off, another's events come through as if it were not there.

    Ever so many deliveries of the flood may lie between the acceptance and the delivery of one of the others, but not
    more than are under way at a time.
    """
    world.put("mail", "flood")
    world.put("mail", "calm")
    message = records.Message(body=b"flood")
    number = 2000
    for _ in range(number // 500):
        await world.accept(*(world.make("mail", "flood", message=message) for _ in range(500)))

    async def slow(request):
        if "flood" in request.host:
            await asyncio.sleep(0.01)
        return web.Response()

    def count_flood():
        return sum(one.headers["host"].split(".")[1] == "flood" for one in world.functions.seen)

    world.functions.on("mail", slow)
    between = []
    async with world.dispatching(connections=32):
        await until(lambda: count_flood() > 100)
        for _ in range(20):
            before = count_flood()
            await world.settled(await world.call("mail", "calm"), "calm")
            between.append(count_flood() - before)
        flooded = count_flood()
        await world.all_settled(seconds=60)
    assert flooded < number, "the flood was over before the others came"
    assert sorted(between)[len(between) // 2] <= 3 * 32
    assert count_flood() == number


async def test_an_event_becomes_everything_that_follows(world):
    """A reply to whoever wants it, news of the success, and of a failure the news and the dead letter."""
    ordered, paid = [{"event": {"type": "com.shop.ordered"}}], [{"event": {"type": "com.shop.paid"}}]
    world.put("pay", triggers=ordered, delivery={"onSuccess": {"function": "log"}})
    failing = {"retries": 0, "onFailure": {"event": "com.shop.failed"}, "deadLetter": {"sink": {"function": "log"}}}
    world.put("ship", triggers=paid, delivery=failing)
    world.put("sorry", triggers=[{"event": {"type": "com.shop.failed"}}])
    world.put("log")

    async def pay(_request):
        return reply_with(make_event("com.shop.paid", "p1"))

    world.functions.on("pay", pay)
    world.functions.answer("ship", 500, body=b"no van")
    (first,) = await world.publish(make_event())
    async with world.dispatching():
        await world.all_settled()
    by_function = {}
    for one in world.functions.seen:
        by_function.setdefault(one.function, []).append(one.headers)
    assert by_function["ship"][0]["ce-type"] == "com.shop.paid"
    assert by_function["sorry"][0]["ce-type"] == "com.shop.failed"
    logged = {headers["ce-type"]: headers for headers in by_function["log"]}
    assert set(logged) == {"dev.mayfly.invocation.succeeded", "com.shop.paid"}
    assert logged["com.shop.paid"]["ce-knativeerrorcode"] == "500"
    assert logged["com.shop.paid"]["ce-mayflyreason"] == "RetriesExhausted"
    parents = {(one.function, one.kind): one.parent for one in await world.list()}
    assert parents["ship", "reply"] == parents["log", "success"] == first


async def test_a_destination_that_hangs_does_not_stop_its_function(world):
    """Nor is it stormed: what goes out in a function's name has room of its own, and not much."""
    world.put("mail", delivery={"concurrency": 2, "onSuccess": {"url": "http://hooks.example.com/"}})
    hooked, at_once, most, go_on = 0, 0, 0, asyncio.Event()

    async def hook(reader, writer):
        nonlocal hooked, at_once, most
        await reader.readuntil(b"\r\n\r\n")
        hooked, at_once = hooked + 1, at_once + 1
        most = max(most, at_once)
        await go_on.wait()
        at_once -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with deliveries.raw(hook, "127.0.0.2") as port:
        names, networks = deliveries.Names(hooks=("127.0.0.2", port)), [ipaddress.ip_network("127.0.0.2/32")]
        async with outside.Outside(hosts=["hooks.example.com"], networks=networks, names=names) as world.send_out:
            ids = await world.accept(*(world.make("mail") for _ in range(40)))
            async with world.dispatching():
                for identity in ids:
                    assert (await world.settled(identity)).state is S.DELIVERED
                await until(lambda: at_once == slots.OUTSIDE)
                go_on.set()
                await world.all_settled()
    assert (hooked, most) == (40, slots.OUTSIDE)


async def test_concurrency_1_keeps_order_and_one_at_a_time(world):
    world.put("mail", delivery={"concurrency": 1})
    made = [world.make("mail", body=str(number).encode()) for number in range(30)]
    await world.accept(*made)

    async def work(_request):
        await asyncio.sleep(0.002)
        return web.Response()

    world.functions.on("mail", work)
    async with world.dispatching():
        await world.all_settled()
    assert [one.body for one in world.functions.seen] == [str(number).encode() for number in range(30)]
    assert world.functions.at_once["mail"] == 1


async def test_a_cold_function_sees_one_request_first(world):
    """Then twice as many with each round, however much waits; others come through meanwhile."""
    world.put("mail")
    world.put("probe")
    answers = asyncio.Semaphore(0)

    async def answer_when_told(_request):
        await answers.acquire()
        return web.Response()

    world.functions.on("mail", answer_when_told)
    await world.accept(*(world.make("mail") for _ in range(50)))
    async with world.dispatching():
        came = 0
        for width in (1, 2, 4, 8):
            came += width
            await until(lambda: world.functions.count("mail") >= came)  # noqa: B023  (asked here and now)
            for _ in range(3):
                await world.settled(await world.call("probe"))
            assert world.functions.count("mail") == came
            for _ in range(width):
                answers.release()
        for _ in range(50):
            answers.release()
        await world.all_settled()
    assert world.functions.count("mail") == 50


async def test_cancel_under_way_breaks_the_attempt_off(world):
    """The function sees its caller go, and nothing is settled twice."""
    world.put("mail")
    began, gone = asyncio.Event(), asyncio.Event()

    async def hang(_request):
        began.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            gone.set()
            raise

    world.functions.on("mail", hang)
    identity = await world.call("mail")
    async with world.dispatching() as one:
        await began.wait()
        assert not one.abandon("another")
        await world.store.cancel(namespace="shop", invocation_id=identity, now=time.time())
        assert one.abandon(identity)
        await asyncio.wait_for(gone.wait(), deliveries.SOON)
        assert not one.abandon(identity)
        world.functions.answer("mail", 200)
        await world.settled(await world.call("mail"))
    assert (await world.get(identity)).state is S.CANCELLED
    assert [one.tried for one in await world.attempts(identity)] == [records.Tried.CANCELLED]


async def test_cancel_elsewhere_breaks_the_attempt_off_too(world):
    """The lease of a long attempt is verified now and then."""
    world.put("mail")
    began, gone = asyncio.Event(), asyncio.Event()

    async def hang(_request):
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            gone.set()

    world.functions.on("mail", hang)
    identity = await world.call("mail")
    async with world.dispatching(times=QUICK):
        await began.wait()
        await world.store.cancel(namespace="shop", invocation_id=identity, now=time.time())
        await asyncio.wait_for(gone.wait(), deliveries.SOON)


async def test_a_long_attempt_keeps_its_lease(world):
    """It is extended while the attempt is under way, so that nobody else begins."""
    world.put("mail", timeout="1s")
    done = asyncio.Event()

    async def slow(_request):
        await done.wait()
        return web.Response()

    world.functions.on("mail", slow)
    identity = await world.call("mail")
    times = dispatch.Times(watch=0.05, verify=0.1, extension=3600.0)
    async with world.dispatching(times=times):
        await until(lambda: world.functions.count("mail"))

        async def is_extended():
            return (await world.get(identity)).lease_until > time.time() + 1800  # it was leased for 71 s

        await until(is_extended)
        done.set()
        found = await world.settled(identity)
    assert (found.state, found.attempts) == (S.DELIVERED, 1)


async def test_shutdown_loses_nothing(world):
    """What is under way may end; what waits is the next process's."""
    world.put("mail", delivery={"concurrency": 20})

    async def work(_request):
        await asyncio.sleep(0.02)
        return web.Response()

    world.functions.on("mail", work)
    ids = await world.accept(*(world.make("mail") for _ in range(300)))
    async with world.dispatching(connections=8):
        await until(lambda: world.functions.count("mail") >= 40)
    counts = (await world.store.counts())["shop", "mail"]
    assert counts.leased == 0
    assert 40 <= counts.delivered < 300
    async with world.dispatching(worker="eventing-1"):
        conservation = await world.all_settled()
    assert conservation.books.delivered == 300
    assert sorted(one.id for one in world.functions.seen) == sorted(ids)


async def test_shutdown_does_not_wait_for_ever(world):
    """An attempt that does not end is broken off, noted, and due at once for the next process."""
    world.put("mail", delivery={"retries": 0})
    world.functions.on("mail", lambda _request: asyncio.sleep(3600))
    identity = await world.call("mail")
    async with world.dispatching(times=QUICK):
        await until(lambda: world.functions.count("mail"))
    found = await world.get(identity)
    assert (found.state, found.attempts) == (S.WAITING, 1)
    assert found.due <= time.time()
    (first,) = await world.attempts(identity)
    assert (first.tried, first.status) == (records.Tried.RETRIED, None)
    assert "was stopped" in first.error
    world.functions.answer("mail", 200)
    async with world.dispatching(worker="eventing-1"):
        found = await world.settled(identity)
    assert (found.state, found.attempts) == (S.DELIVERED, 2)


async def test_a_new_process_of_the_same_name_takes_up_what_the_old_one_left(world):
    """At once, not after the lease: the old one is dead."""
    world.put("mail")
    identity = await world.call("mail")
    terms = records.Terms(capacity=1, lease_seconds=3600)
    await world.store.claim(worker="eventing-0", now=time.time(), limit=1, default=terms)
    async with world.dispatching():
        found = await world.settled(identity)
    assert (found.state, found.attempts) == (S.DELIVERED, 2)
    assert [one.tried for one in await world.attempts(identity)] == [records.Tried.UNKNOWN, records.Tried.DELIVERED]


async def test_who_is_gone_is_dead_lettered(world):
    """With the reason, and without holding anybody up; one that comes back within moments gets its work."""
    old = time.time() - 60
    gone = await world.accept(*(world.make("gone", due=old) for _ in range(200)))
    late = await world.call("late")
    async with world.dispatching():
        for identity in gone:
            found = await world.settled(identity)
            assert (found.state, found.reason, found.attempts) == (S.DEAD, "Gone", 0)
        world.put("late")
        assert (await world.settled(late)).state is S.DELIVERED


async def test_something_unforeseen_costs_a_retry_and_nothing_else(world):
    """Neither the loop nor the invocation, and it is noted."""
    world.put("mail", delivery={"backoff": PROMPT})
    odd = await world.call("mail", kind="of a later version")
    fine = await world.call("mail")
    async with world.dispatching():
        assert (await world.settled(fine)).state is S.DELIVERED

        async def is_noted():
            return await world.attempts(odd)

        first, *_ = await until(is_noted)
    assert first.tried is records.Tried.RETRIED
    assert "of a later version" in first.error
