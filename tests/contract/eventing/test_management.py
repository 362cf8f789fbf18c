"""Read and steer invocations, over a real store."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio

from mayfly import errors
from mayfly.eventing import known, problem, web
from mayfly.eventing.management import management, patience
from mayfly.store import ids, records, sqlite
from tests.contract.store import make

NOW = make.NOW
SHOP = "/v1/namespaces/shop"
MAIL = {
    "metadata": {"namespace": "shop", "name": "mail", "uid": "u1"},
    "spec": {
        "source": {"inline": {"main.py": ""}},
        "delivery": {"maxAge": "1h", "deadLetter": {"retention": "24h"}},
    },
}
NOBODY = "019a0000-0000-7000-8000-000000000001"


class Door:
    """Management over a store of its own; its clock stands at ``now``."""

    def __init__(self, store: sqlite.SqliteStore) -> None:
        self.store = store
        self.abandoned: list[str] = []
        self.now = NOW + 10
        self.known = known.Known()
        self.known.put(MAIL)
        self.management = management.Management(
            store=store, known=self.known, abandon=self.abandoned.append, clock=lambda: self.now
        )

    async def ask(
        self, method: str, path: str, *, query: str = "", body: bytes = b"", prefer: str = ""
    ) -> web.Response:
        headers = (("prefer", prefer),) if prefer else ()
        return await self.management.answer(web.Request(method, path, query, headers, body))

    async def read(self, path: str, **rest):
        answer = await self.ask("GET", SHOP + path, **rest)
        assert answer.status == 200
        return json.loads(answer.body)

    async def post(self, path: str, **rest):
        answer = await self.ask("POST", SHOP + path, **rest)
        assert answer.status in {200, 201}
        return json.loads(answer.body)

    async def make(self, state: str, **changes) -> str:
        """Return the id of an invocation that stands in ``state``."""
        return await make.bring(self.store, state, **changes)


@pytest_asyncio.fixture
async def door(tmp_path):
    opened = await sqlite.SqliteStore.open(path=tmp_path / "invocations.db")
    yield Door(opened)
    conservation = await opened.conservation()
    await opened.close()
    assert conservation.drift == 0


async def test_an_invocation_is_shown_with_its_attempts_message_and_result(door):
    identity = await door.make("dead")
    one = await door.read(f"/invocations/{identity}")
    assert (one["state"], one["reason"], one["detail"], one["status"]) == (
        "dead",
        "RetriesExhausted",
        "the last: HTTP 500",
        500,
    )
    [attempt] = (await door.read(f"/invocations/{identity}/attempts"))["items"]
    assert (attempt["number"], attempt["outcome"], attempt["status"], attempt["worker"]) == (1, "dead", 500, "w1")
    message = await door.read(f"/invocations/{identity}/message")
    assert (message["method"], message["path"], message["body"]) == ("POST", "/p?q=1", None)
    assert message["headers"][0] == {"name": "content-type", "value": "application/json"}
    assert await door.read(f"/invocations/{identity}/result") == {
        "id": identity,
        "state": "dead",
        "status": 500,
        "headers": [],
        "body": None,
        "bodyBase64": "/w==",
        "truncated": False,
    }


async def test_a_list_shows_every_one_once_the_newest_first(door):
    wanted = [await door.make("waiting", now=NOW + number) for number in range(7)]
    await door.make("waiting", namespace="bank")
    seen, cursor = [], ""
    while cursor is not None:
        page = await door.read("/invocations", query=f"limit=3{cursor and f'&cursor={cursor}'}")
        seen += [one["id"] for one in page["items"]]
        cursor = page["cursor"]
    assert seen == wanted[::-1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("function=cart", {"cart"}),
        ("state=dead", {"dead"}),
        ("state=waiting,dead", {"cart", "dead", "late"}),
        ("since=2026-09-21T14:13:21Z", {"late"}),
        ("until=2026-09-21T14:13:21Z&state=waiting", {"cart"}),
        ("function=nobody", set()),
    ],
)
async def test_a_list_obeys_every_condition(door, query, found):
    made = {
        "dead": await door.make("dead"),
        "done": await door.make("delivered"),
        "cart": await door.make("waiting", function="cart"),
        "late": await door.make("waiting", due=NOW + 2, now=NOW + 2),
    }
    page = await door.read("/invocations", query=query)
    assert {one["id"] for one in page["items"]} == {made[name] for name in found}


async def test_a_result_that_is_not_there_yet_is_202_with_the_document(door):
    identity = await door.make("waiting", due=NOW + 15)
    answer = await door.ask("GET", f"{SHOP}/invocations/{identity}/result")
    assert answer.status == 202
    assert json.loads(answer.body)["state"] == "waiting"
    assert ("retry-after", "5") in answer.headers


async def test_a_result_that_nobody_keeps_is_not_found_and_says_why(door):
    identity = await door.make("cancelled")
    with pytest.raises(errors.NotFound, match=r"no answer is kept of invocation .* which is cancelled"):
        await door.read(f"/invocations/{identity}/result")


async def test_who_prefers_to_wait_is_answered_with_the_end(door):
    """The answer comes when the invocation is settled, long before the wait is over."""
    identity = await door.make("waiting")
    asked = asyncio.create_task(door.read(f"/invocations/{identity}/result", prefer="wait=20"))
    while door.management._patience._free == patience.MOST:  # noqa: ASYNC110  (nothing tells that somebody waits)
        await asyncio.sleep(0)
    lease = await make.claim_one(door.store)
    await make.settle(door.store, lease, records.Delivered(records.Result(200, (), b"late")))
    assert (await asyncio.wait_for(asked, 10))["body"] == "late"


async def test_who_waits_in_vain_is_answered_as_it_stands(door):
    identity = await door.make("waiting")
    assert (await door.read(f"/invocations/{identity}", prefer="wait=1"))["state"] == "waiting"


async def test_beyond_so_many_who_wait_the_next_is_answered_at_once(door):
    identity = await door.make("waiting")
    full = patience.Patience(door.store, most=0)
    async with asyncio.timeout(10):
        found = await full.find(namespace="shop", invocation_id=identity, seconds=3600)
    assert found.state is records.State.WAITING


# -- steering --


@pytest.mark.parametrize("state", ["waiting", "leased"])
async def test_cancel_ends_what_is_not_settled_and_tells_who_works_on_it(door, state):
    identity = await door.make(state)
    assert (await door.post(f"/invocations/{identity}/cancel"))["state"] == "cancelled"
    assert door.abandoned == [identity]
    assert not await door.store.extend(invocation_id=identity, epoch=1, until=NOW + 99)
    assert await make.claim(door.store) == ()


FORBIDDEN = [
    ("cancel", "delivered"),
    ("cancel", "dead"),
    ("cancel", "cancelled"),
    ("redrive", "waiting"),
    ("redrive", "leased"),
    ("redrive", "delivered"),
    ("redrive", "cancelled"),
    ("replay", "waiting"),
    ("replay", "leased"),
]


@pytest.mark.parametrize(("verb", "state"), FORBIDDEN)
async def test_what_the_state_forbids_is_refused_with_the_state_and_changes_nothing(door, verb, state):
    identity = await door.make(state)
    before = await door.read(f"/invocations/{identity}")
    with pytest.raises(errors.WrongState, match=f"{identity} is {state}: "):
        await door.post(f"/invocations/{identity}/{verb}")
    assert await door.read(f"/invocations/{identity}") == before
    assert door.abandoned == []


async def test_a_redrive_begins_anew_with_the_functions_greatest_age(door):
    identity = await door.make("dead", expires=NOW + 1)
    one = await door.post(f"/invocations/{identity}/redrive")
    assert (one["state"], one["tries"], one["redrives"], one["reason"]) == ("waiting", 0, 1, None)
    lease = await make.claim_one(door.store, now=door.now)
    assert lease.invocation.expires == door.now + 3600
    assert len((await door.read(f"/invocations/{identity}/attempts"))["items"]) == 1


async def test_what_is_redriven_for_a_function_that_has_gone_has_the_usual_greatest_age(door):
    identity = await door.make("dead", function="gone")
    await door.post(f"/invocations/{identity}/redrive")
    lease = await make.claim_one(door.store, now=door.now)
    assert lease.invocation.expires == door.now + 6 * 3600


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
@pytest.mark.parametrize(("body", "revision"), [(b"", None), (b'{"revision": "mail-00002"}', "mail-00002")])
async def test_a_replay_is_another_invocation_with_the_same_message(door, state, body, revision):
    identity = await door.make(state, dedup_key="event:1")
    answer = await door.ask("POST", f"{SHOP}/invocations/{identity}/replay", body=body)
    one = json.loads(answer.body)
    assert answer.status == 201
    assert ("location", f"{SHOP}/invocations/{one['id']}") in answer.headers
    assert (one["parent"], one["state"], one["revision"], one["dedupKey"]) == (identity, "waiting", revision, None)
    lease = await make.claim_one(door.store, now=door.now)
    assert (lease.invocation.id, lease.message) == (one["id"], make.MESSAGE)
    assert lease.invocation.expires == door.now + 3600
    assert (await door.read(f"/invocations/{identity}"))["state"] == state


async def test_dead_letters_are_listed_with_the_end_of_their_retention(door):
    await door.make("delivered")
    gone, kept = await door.make("dead", function="gone"), await door.make("dead", now=NOW + 1)
    listed = (await door.read("/dead-letters"))["items"]
    assert [(one["id"], one["keptUntil"]) for one in listed] == [
        (kept, "2026-09-22T14:13:21.000Z"),
        (gone, "2026-10-05T14:13:21.000Z"),
    ]
    assert [one["id"] for one in (await door.read("/dead-letters", query="function=gone"))["items"]] == [gone]


async def fill(door, number: int, *, function: str = "mail") -> list[str]:
    batch = [make.make_invocation(function=function, now=NOW + each) for each in range(number)]
    await door.store.accept(batch, now=NOW)
    for lease in await make.claim(door.store, now=NOW + number, limit=number):
        await make.settle(door.store, lease, records.Dead("RetriesExhausted"))
    return [one.id for one in batch]


async def test_dead_letters_of_one_function_are_redriven_in_steps(door):
    await fill(door, 250)
    other = await door.make("dead", function="cart")
    cursor, steps = "", []
    while cursor is not None:
        done = await door.post(
            "/dead-letters/redrive", query=f"function=mail&limit=120{cursor and f'&cursor={cursor}'}"
        )
        steps.append(done["redriven"])
        cursor = done["cursor"]
    assert steps == [120, 120, 10]
    counts = await door.store.counts()
    assert (counts["shop", "mail"].waiting, counts["shop", "mail"].dead) == (250, 0)
    assert (await door.read(f"/invocations/{other}"))["state"] == "dead"


async def test_what_dies_again_during_a_redrive_is_not_taken_twice(door):
    await fill(door, 3)
    first = await door.post("/dead-letters/redrive", query="limit=2")
    for lease in await make.claim(door.store, now=door.now):
        await make.settle(door.store, lease, records.Dead("RetriesExhausted"), now=door.now)
    rest = await door.post("/dead-letters/redrive", query=f"cursor={first['cursor']}")
    assert (first["redriven"], rest) == (2, {"redriven": 1, "cursor": None})


async def test_dead_letters_are_purged_in_steps_and_nothing_else_is(door):
    await fill(door, 5)
    kept = {await door.make("delivered"), await door.make("cancelled")}
    kept |= {await door.make("dead", function="cart"), await door.make("dead", namespace="bank")}
    purged, cursor = [], ""
    while cursor is not None:
        query = f"function=mail&limit=2{cursor and f'&cursor={cursor}'}"
        done = json.loads((await door.ask("DELETE", f"{SHOP}/dead-letters", query=query)).body)
        purged.append(done["purged"])
        cursor = done["cursor"]
    assert purged == [2, 2, 1]
    there = {one.id for space in ("shop", "bank") for one in (await door.store.list(namespace=space)).items}
    assert there == kept


async def test_a_purge_leaves_what_dies_while_it_runs(door):
    """The cursor is the instant of the first step."""
    await fill(door, 4)
    first = json.loads((await door.ask("DELETE", f"{SHOP}/dead-letters", query="limit=2")).body)
    identity = await make.accept_one(door.store)
    lease = await make.claim_one(door.store, now=door.now + 5)
    await make.settle(door.store, lease, records.Dead("Expired"), now=door.now + 5)
    door.now += 10
    query = f"limit=100&cursor={first['cursor']}"
    rest = json.loads((await door.ask("DELETE", f"{SHOP}/dead-letters", query=query)).body)
    assert (first["purged"], rest) == (2, {"purged": 2, "cursor": None})
    assert [one["id"] for one in (await door.read("/dead-letters"))["items"]] == [identity]


async def test_queues_show_the_books_and_how_late_they_are(door):
    await door.make("delivered")
    await door.make("dead")
    await door.make("waiting", due=NOW + 4)
    await door.make("waiting", function="cart", due=NOW + 60)
    await door.make("waiting", namespace="bank")
    cart, mail = (await door.read("/queues"))["items"]
    assert (cart["function"], cart["lag"], cart["nextDue"]) == ("cart", 0.0, "2026-09-21T14:14:20.000Z")
    assert (mail["function"], mail["lag"]) == ("mail", 6.0)
    assert [mail[name] for name in ("accepted", "waiting", "delivered", "dead", "leased")] == [3, 1, 1, 1, 0]


# -- what is refused --

ONE = [("GET", ""), ("GET", "/attempts"), ("GET", "/result"), ("GET", "/message")]
STEERING = [("POST", "/cancel"), ("POST", "/redrive"), ("POST", "/replay")]


@pytest.mark.parametrize(("method", "path"), ONE + STEERING)
async def test_another_namespaces_invocation_is_as_unknown_as_none(door, method, path):
    identity = await door.make("dead", namespace="bank")
    said = set()
    for asked in (identity, NOBODY):
        with pytest.raises(errors.NotFound) as caught:
            await door.ask(method, f"{SHOP}/invocations/{asked}{path}")
        said.add(str(caught.value).replace(asked, "ID"))
    assert len(said) == 1
    assert (await door.store.get(namespace="bank", invocation_id=identity)).state is records.State.DEAD


@pytest.mark.parametrize("asked", ["42", "x%00", "%E2%82%AC", "' or 1=1", NOBODY.upper()])
async def test_what_is_no_id_is_named_as_it_was_asked(door, asked):
    with pytest.raises(errors.NotFound, match=r"there is no invocation ['\"]"):
        await door.ask("GET", f"{SHOP}/invocations/{asked}")


@pytest.mark.parametrize(
    ("method", "path"), [*ONE, *STEERING, ("GET", "s"), ("DELETE", "letters"), ("POST", "letters/redrive")]
)
async def test_a_parameter_that_is_not_known_is_refused_and_nothing_is_done(door, method, path):
    identity = await door.make("dead")
    place = {"s": "/queues", "letters": "/dead-letters", "letters/redrive": "/dead-letters/redrive"}
    with pytest.raises(errors.InvalidQuestion, match="'fucntion'"):
        await door.ask(method, SHOP + place.get(path, f"/invocations/{identity}{path}"), query="fucntion=mail")
    assert (await door.read(f"/invocations/{identity}"))["state"] == "dead"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/invocations", "GET"),
        ("PUT", f"/invocations/{NOBODY}", "GET"),
        ("GET", f"/invocations/{NOBODY}/cancel", "POST"),
        ("POST", "/dead-letters", "GET, DELETE"),
        ("GET", "/dead-letters/redrive", "POST"),
        ("POST", "/queues", "GET"),
    ],
)
async def test_another_method_is_405_with_those_there_are(door, method, path, allowed):
    with pytest.raises(problem.Refused) as caught:
        await door.ask(method, SHOP + path)
    assert (caught.value.status, caught.value.headers) == (405, (("allow", allowed),))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/namespaces/shop/",
        "/v1/namespaces/Shop/queues",
        "/v1/namespaces//queues",
        "/v1/namespaces/shop/invocations/",
        "/v1/namespaces/shop/../bank/queues",
        "/v1/queues",
    ],
)
async def test_any_other_path_is_not_found(door, path):
    with pytest.raises(errors.NotFound):
        await door.ask("GET", path)


async def test_ids_of_replays_sort_after_what_they_replay(door):
    identity = await door.make("delivered", id=ids.make_id(NOW))
    again = await door.post(f"/invocations/{identity}/replay")
    assert again["id"] > identity
