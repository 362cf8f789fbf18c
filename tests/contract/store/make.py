"""Values for the tests of stores."""

from __future__ import annotations

from mayfly.store import ids, records

NOW = 1_790_000_000.0
TERMS = records.Terms(capacity=1000, lease_seconds=30)
MESSAGE = records.Message(
    headers=(("content-type", "application/json"), ("ce-id", "ü"), ("ce-id", "2")),
    body=bytes(range(256)),
    path="/p?q=1",
)


def make_invocation(**changes) -> records.NewInvocation:
    now = changes.pop("now", NOW)
    values = {"id": ids.make_id(now), "namespace": "shop", "function": "mail", "message": MESSAGE, "due": now}
    return records.NewInvocation(**(values | changes))


async def accept_one(store, **changes) -> str:
    one = make_invocation(**changes)
    (receipt,) = await store.accept([one], now=one.due)
    assert receipt == records.Receipt(records.Verdict.NEW, one.id)
    return one.id


async def claim(store, **changes) -> tuple[records.Lease, ...]:
    return await store.claim(**({"worker": "w1", "now": NOW, "limit": 100, "default": TERMS} | changes))


async def claim_one(store, **changes) -> records.Lease:
    (lease,) = await claim(store, **changes)
    return lease


def make_try(**changes) -> records.Try:
    return records.Try(**({"started": NOW, "ended": NOW + 1, "status": 200} | changes))


async def settle(store, lease: records.Lease, outcome=None, **changes) -> records.Settled:
    values = {"outcome": outcome or records.Delivered(), "attempt": make_try(), "now": NOW + 1}
    return await store.settle(invocation_id=lease.invocation.id, epoch=lease.epoch, **(values | changes))


async def kill(store, **changes) -> str:
    """Return the id of an invocation that was given up."""
    identity = await accept_one(store, **changes)
    (lease,) = await claim(store)
    assert (
        await settle(store, lease, records.Dead("RetriesExhausted", "HTTP 500"), attempt=make_try(status=500))
    ).current
    return identity


async def bring(store, state: str, **changes) -> str:
    """Return the id of an invocation that stands in ``state``; what waits besides must not be due yet."""
    now = changes.get("now", NOW)
    one = make_invocation(**changes)
    await store.accept([one], now=now)
    identity = one.id
    if state == "waiting":
        return identity
    if state == "cancelled":
        await store.cancel(namespace=changes.get("namespace", "shop"), invocation_id=identity, now=NOW)
        return identity
    leases = await claim(store, now=max(one.due, now))
    lease = next(one for one in leases if one.invocation.id == identity)
    if state == "delivered":
        result = records.Result(200, (("content-type", "text/plain"),), b"done")
        await settle(store, lease, records.Delivered(result))
    elif state == "dead":
        dead = records.Dead("RetriesExhausted", "the last: HTTP 500", records.Result(500, (), b"\xff"))
        await settle(store, lease, dead, attempt=make_try(status=500))
    return identity
