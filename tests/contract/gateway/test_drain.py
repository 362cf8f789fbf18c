"""The end of a gateway pod."""

from __future__ import annotations

import asyncio

from mayfly.gateway import drain
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"


async def test_draining_answers_everything_and_asks_to_go(gateway: conftest.Gateway) -> None:
    """While it drains, Envoy is not ready, answers what comes, and closes kept connections."""
    await gateway.function("hello")
    gateway.put(objects.ingress("hello", objects.rule([HOST], objects.path(objects.split("hello")))))
    await gateway.serves(HOST)
    socket = gateway.directory / "admin.sock"
    ending = asyncio.create_task(
        asyncio.to_thread(drain.drain, socket, withdrawal_seconds=0.3, deadline_seconds=conftest.DEADLINE_SECONDS)
    )

    async def withdrawn() -> bool:
        return not await gateway.ready()

    await conftest.until(withdrawn)
    status, body = await gateway.call(HOST)
    assert (status, body["answer"].get("connection")) == (200, "close")
    assert await ending
