"""What callers see of an instance that has just died, before anybody has told the gateway."""

from __future__ import annotations

import asyncio
import collections

from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"
LIVE, DEAD = "127.0.0.1", ("127.0.0.2", "127.0.0.3")


async def test_busy_instances_take_over_from_dead_ones(gateway: conftest.Gateway) -> None:
    """Of three instances two are gone. The one that lives is busy, so the others look idle and are tried first."""
    await gateway.function("hello", addresses=(LIVE,))
    [port] = [obj["ports"][0]["port"] for _, obj in gateway.objects if "endpoints" in obj]
    gateway.put(objects.slice_("hello", LIVE, *DEAD, port=port))
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    gate = asyncio.Semaphore(40)

    async def call() -> int:
        async with gate:
            return (await gateway.call(HOST, method="POST"))[0]

    answers = collections.Counter(await asyncio.gather(*(call() for _ in range(2000))))
    assert answers == {200: 2000}
