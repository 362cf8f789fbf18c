"""When the eventing process cannot be reached: said in words, soon over, and nobody else's trouble."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from mayfly.routing import edge
from tests.contract.gateway import conftest, handing
from tests.unit.routing import objects

HOST, EVENTS = "hello.shop.example.com", "events.example.com"


async def test_without_it_calls_are_refused_in_words(tmp_path: Path) -> None:
    """503 with Retry-After, other words than for a function that is away; calls at once go on meanwhile."""
    where = edge.Eventing(handing.NAMESPACE, handing.SERVICE, 8080, hosts=(EVENTS,))
    async with handing.run(tmp_path, eventing=where) as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"), objects.function("nobody"))
        await keeper.until(HOST, "/async/x", status=202)
        await keeper.until("nobody.shop.example.com", status=503)
        await keeper.stop()
        keeper.announce()

        async def call(host: str, path: str) -> handing.Answer:
            return await keeper.call(host, path, data=b"{}")

        refused = asyncio.gather(
            call(HOST, "/async/x"), call(EVENTS, "/events"), call(HOST, f"/invocations/{handing.ID}")
        )
        while not refused.done():
            assert (await keeper.call(HOST)).status == 200
        for answer in await refused:
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert handing.read_problem(answer).startswith("asynchronous calls and events cannot be accepted")
        missing = await keeper.call("nobody.shop.example.com")
        assert (missing.status, "function" in handing.read_problem(missing)) == (503, True)
        assert "retry-after" not in missing.headers


async def test_a_restart_is_waited_for(tmp_path: Path) -> None:
    """A call that comes while the process is being replaced, or started again, is accepted once it is there, once."""
    async with handing.run(tmp_path) as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"))
        await keeper.until(HOST, "/async/x", status=202)
        for gone in (keeper.stop, _announce_none(keeper)):
            await gone()
            call = asyncio.create_task(keeper.call(HOST, "/async/x", data=b"body"))
            await conftest.until(lambda: _tries(keeper), what="a first try")
            if keeper.running:
                keeper.announce("127.0.0.1")
            else:
                await keeper.start()
            assert (await call).status == 202
            assert [seen.body for seen in keeper.take()] == [b"body"]


def _announce_none(keeper: handing.Keeper) -> Any:
    async def gone() -> None:
        keeper.announce()
        await conftest.until(lambda: _has_no_instance(keeper), what="Envoy to know of no instance")

    return gone


async def _has_no_instance(keeper: handing.Keeper) -> bool:
    return f"127.0.0.1:{keeper.port}" not in await keeper.gateway.clusters()


async def _tries(keeper: handing.Keeper) -> bool:
    """Say whether Envoy is trying to reach the process in vain."""
    text = await keeper.gateway.clusters()
    failed = [
        line.rpartition("::")[2]
        for line in text.splitlines()
        if line.startswith("eventing::") and "::cx_connect_fail::" in line
    ]
    return any(int(number) > 0 for number in failed)


async def test_an_answer_that_never_came_is_no_refusal(tmp_path: Path) -> None:
    """Hung up on within a request, nobody knows whether it was accepted: it is not tried again, and that is said."""
    async with handing.run(tmp_path) as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"))
        await keeper.until(HOST, "/async/x", status=202)

        async def hang_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        keeper.answer = hang_up
        answer = await keeper.call(HOST, "/async/x", data=b"body")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "not known" in handing.read_problem(answer)
        assert len(keeper.take()) == 1


async def test_its_own_answers_pass(tmp_path: Path) -> None:
    """What the process refuses arrives as it says it."""
    async with handing.run(tmp_path) as keeper:
        await keeper.gateway.function("hello")
        keeper.gateway.put(objects.function("hello"))
        await keeper.until(HOST, "/async/x", status=202)

        async def refuse(_: web.Request) -> web.StreamResponse:
            return web.json_response({"detail": "the store is full"}, status=503, headers={"Retry-After": "77"})

        keeper.answer = refuse
        answer = await keeper.call(HOST, "/async/x")
        assert (answer.status, answer.headers["retry-after"]) == (503, "77")
        assert answer.body == {"detail": "the store is full"}
        assert len(keeper.take()) == 1
