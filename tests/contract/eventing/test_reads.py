"""What a caller of a function learns under the Location of its call, over a real store."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio

from mayfly import errors
from mayfly.eventing import problem, web
from mayfly.eventing.management import patience, reads
from mayfly.model import handover
from mayfly.store import records, sqlite
from tests.contract.store import make

NOW = make.NOW
NOBODY = "019a0000-0000-7000-8000-000000000001"
ANSWER = records.Result(
    203,
    (
        ("content-type", "image/png"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("content-length", "4"),
        ("x-envoy-upstream-service-time", "7"),
        ("x-mayfly-token", "stolen"),
        ("mayfly-truncated", "no"),
    ),
    b"\x89PNG",
)


class Door:
    def __init__(self, store):
        self.store = store
        self.reads = reads.Reads(store=store, clock=lambda: NOW + 10)

    async def ask(self, identity, rest="", *, method="GET", stem="", function="mail", namespace="shop", prefer=""):
        headers = [(handover.NAMESPACE, namespace), (handover.FUNCTION, function)]
        headers += [("prefer", prefer)] if prefer else []
        path = f"{stem}/invocations/{identity}{rest}"
        return await self.reads.answer(web.Request(method, path, "", tuple(headers)))

    async def call(self, **changes):
        return await make.accept_one(self.store, **{"kind": "call", **changes})

    async def settle(self, outcome, **tried):
        lease = await make.claim_one(self.store, now=NOW + 1)
        await make.settle(self.store, lease, outcome, attempt=make.make_try(**tried))


@pytest_asyncio.fixture
async def door(tmp_path):
    opened = await sqlite.SqliteStore.open(
        path=tmp_path / "invocations.db", limits=records.Limits(result_bytes=len(ANSWER.body))
    )
    yield Door(opened)
    await opened.close()


@pytest.mark.parametrize("stem", ["", "/thumb", "/async/thumb", "/invocations"])
async def test_the_document_is_found_below_every_prefix(door, stem):
    identity = await door.call()
    answer = await door.ask(identity, stem=stem)
    assert (answer.status, json.loads(answer.body)["id"]) == (200, identity)


async def test_the_attempts_are_listed(door):
    identity = await door.call()
    await door.settle(records.Retry(NOW + 60), status=503)
    [attempt] = json.loads((await door.ask(identity, "/attempts")).body)["items"]
    assert (attempt["outcome"], attempt["status"]) == ("retried", 503)


@pytest.mark.parametrize(("due", "pause"), [(NOW, "1"), (NOW + 14, "4")])
async def test_what_waits_is_202_with_the_document_and_when_to_ask_again(door, due, pause):
    identity = await door.call(due=due)
    answer = await door.ask(identity, "/result")
    assert (answer.status, json.loads(answer.body)["state"]) == (202, "waiting")
    assert ("retry-after", pause) in answer.headers


async def test_what_is_under_way_is_202(door):
    identity = await door.call()
    await make.claim_one(door.store)
    assert (await door.ask(identity, "/result")).status == 202


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_result_is_the_functions_own_answer(door, method):
    identity = await door.call()
    await door.settle(records.Delivered(ANSWER))
    assert await door.ask(identity, "/result", method=method) == web.Response(
        203,
        (
            ("content-type", "image/png"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("mayfly-invocation", identity),
        ),
        b"\x89PNG",
    )


async def test_a_result_that_was_cut_says_so(door):
    identity = await door.call()
    await door.settle(records.Delivered(records.Result(200, (), ANSWER.body + b"more")))
    answer = await door.ask(identity, "/result")
    assert answer.body == ANSWER.body
    assert ("mayfly-truncated", "true") in answer.headers


async def test_a_delivery_without_an_answer_kept_is_204(door):
    identity = await door.call()
    await door.settle(records.Delivered())
    assert await door.ask(identity, "/result") == web.Response(204, (("mayfly-invocation", identity),))


async def test_what_was_given_up_is_502_with_the_true_reason(door):
    identity = await door.call()
    dead = records.Dead("RetriesExhausted", "RetriesExhausted after 6 attempts", records.Result(500, (), b"secret"))
    await door.settle(dead, status=500)
    answer = await door.ask(identity, "/result")
    assert answer.status == 502
    assert ("content-type", "application/problem+json") in answer.headers
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": "RetriesExhausted after 6 attempts",
        "reason": "RetriesExhausted",
        "invocation": identity,
        "attempts": 1,
        "lastStatus": 500,
    }


async def test_what_was_cancelled_is_410(door):
    identity = await door.call()
    await door.store.cancel(namespace="shop", invocation_id=identity, now=NOW)
    answer = await door.ask(identity, "/result")
    assert (answer.status, json.loads(answer.body)["reason"]) == (410, "Cancelled")


@pytest.mark.parametrize("rest", ["", "/result"])
async def test_who_prefers_to_wait_gets_the_end(door, rest):
    identity = await door.call()
    asked = asyncio.create_task(door.ask(identity, rest, prefer="wait=20"))
    while door.reads._patience._free == patience.MOST:  # noqa: ASYNC110  (nothing tells that somebody waits)
        await asyncio.sleep(0)
    await door.settle(records.Delivered(ANSWER))
    answer = await asyncio.wait_for(asked, 10)
    assert answer.body == ANSWER.body if rest else json.loads(answer.body)["state"] == "delivered"


# -- what is not shown --


@pytest.mark.parametrize("rest", ["", "/result", "/attempts"])
@pytest.mark.parametrize(
    "asker", [{"function": "cart"}, {"namespace": "bank"}, {"function": ""}, {"namespace": ""}], ids=str
)
async def test_a_call_of_another_function_is_as_unknown_as_none(door, rest, asker):
    identity = await door.call()
    said = set()
    for asked in (identity, NOBODY):
        with pytest.raises(errors.NotFound) as caught:
            await door.ask(asked, rest, **asker, prefer="wait=20")
        said.add(str(caught.value).replace(asked, "ID"))
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["event", "schedule", "reply", "callback", "dead-letter"])
async def test_only_calls_can_be_asked_about(door, kind):
    identity = await door.call(kind=kind)
    with pytest.raises(errors.NotFound):
        await door.ask(identity)


@pytest.mark.parametrize("identity", ["42", NOBODY.replace("-7", "-4"), NOBODY.upper(), f"{NOBODY}/message"])
async def test_any_other_path_is_not_found(door, identity):
    with pytest.raises(errors.NotFound):
        await door.ask(identity)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_but_reading_is_possible(door, method):
    identity = await door.call()
    with pytest.raises(problem.Refused) as caught:
        await door.ask(identity, method=method)
    assert (caught.value.status, caught.value.headers) == (405, (("allow", "GET, HEAD"),))
    assert (await door.store.get(namespace="shop", invocation_id=identity)).state is records.State.WAITING
