"""Asynchronous calls at the hosts that Functions name themselves: paths, methods and rewrites hold for them, too.

What the eventing process gets must become, once it has taken ``/async`` off the front, the path that the function would
have been called with at once. The tests take it off as that process does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mayfly.eventing import onward
from mayfly.model import handover
from mayfly.routing import ingress
from tests.contract.gateway import handing
from tests.contract.gateway.handing import ID
from tests.unit.routing import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = {"Prefer": "respond-async"}
SHOP, ODD, HOME, SECURE = "shop.example.com", "odd.example.com", "home.example.com", "pay.example.com"
FUNCTIONS: dict[str, dict[str, Any]] = {
    "catalogue": {"hosts": [SHOP]},
    "orders": {"hosts": [SHOP], "paths": [{"path": "/orders", "methods": ["POST"], "rewrite": "/"}]},
    "thumb": {"hosts": [SHOP], "paths": [{"path": "/thumb/", "rewrite": "/base/"}]},
    "exact": {
        "hosts": [SHOP],
        "paths": [{"path": "/exact", "exact": True, "methods": ["GET", "POST"], "rewrite": "/e"}],
    },
    "closed": {"hosts": [SHOP], "paths": [{"path": "/closed"}], "async": False},
    "plain": {"hosts": [SHOP], "paths": [{"path": "/plain"}]},
    "under": {"hosts": [SHOP], "paths": [{"path": "/async/under"}]},
    "rewritten": {"hosts": [ODD], "paths": [{"path": "/", "rewrite": "/async/r"}]},
    "root": {"hosts": [HOME], "paths": [{"path": "/", "exact": True, "rewrite": "/home"}]},
    "pay": {"hosts": [SECURE], "paths": [{"path": "/pay", "methods": ["POST"]}], "tls": {"secret": "one"}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeper(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[handing.Keeper]:
    """Give a gateway with several Functions at some hosts."""
    async with handing.run(tmp_path_factory.mktemp("gateway")) as made:
        for name, http in FUNCTIONS.items():
            await made.gateway.function(name)
            made.gateway.put(objects.function(name, http=http))
        made.gateway.table.keys.put(ingress.SecretName("shop", "one"), handing.issue(SECURE))
        await made.until(SHOP, status=200)
        await made.until(ODD, status=200)
        await made.until(HOME, status=200)
        await made.until(SECURE, "/pay", status=200, listener="secure")
        yield made


def strip(seen: handing.Seen) -> str:
    """Return the path with which the function will be called."""
    path, mark, query = seen.path.partition("?")
    return onward.strip_prefix(path, alias=False) + mark + query


CALLS = [
    (SHOP, "POST", "/a?b=c", "catalogue"),
    (SHOP, "POST", "/asynchronous", "catalogue"),
    (SHOP, "POST", "/orders/7?x=1", "orders"),
    (SHOP, "POST", "/orders", "orders"),
    (SHOP, "GET", "/orders/7", "catalogue"),
    (SHOP, "POST", "/ordersx", "catalogue"),
    (SHOP, "PUT", "/thumb", "thumb"),
    (SHOP, "PUT", "/thumb/", "thumb"),
    (SHOP, "PUT", "/thumb/a//b", "thumb"),
    (SHOP, "GET", "/exact?x=1", "exact"),
    (SHOP, "PUT", "/exact", "catalogue"),
    (SHOP, "POST", "/exact/a", "catalogue"),
    (SHOP, "POST", "/plain/async/a", "plain"),
    (SHOP, "POST", "/plain", "plain"),
    (ODD, "POST", "/", "rewritten"),
    (HOME, "POST", "/", "root"),
    (ODD, "POST", "/x", "rewritten"),
    (ODD, "POST", "/asynchronous/x", "rewritten"),
]


@pytest.mark.parametrize("way", ["preference", "prefix"])
@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_a_call_for_later_is_the_call_at_once(
    keeper: handing.Keeper, call: tuple[str, str, str, str], way: str
) -> None:
    """Whichever way it is made, the same function gets the same path, by the same method."""
    host, method, path, function = call
    at_once = await keeper.call(host, path, method=method)
    assert (at_once.status, at_once.body["function"], keeper.take()) == (200, function, [])
    if way == "prefix":
        answer = await keeper.call(host, f"/async{path}", method=method)
    else:
        answer = await keeper.call(host, path, method=method, headers=LATER)
    assert answer.status == 202
    (seen,) = keeper.take()
    assert (seen.method, strip(seen), seen.told["function"]) == (method, at_once.body["path"], function)


@pytest.mark.parametrize(
    "call",
    [
        (SHOP, "/a", "", "catalogue"),
        (SHOP, "/orders/7", "/orders", "orders"),
        (SHOP, "/thumb/a", "/thumb", "thumb"),
        (SHOP, "/exact", "/exact", "exact"),
        (SHOP, "/plain/deep/er", "/plain", "plain"),
        (ODD, "/x", "", "rewritten"),
        (HOME, "/", "", "root"),
    ],
    ids=str,
)
@pytest.mark.parametrize("part", ["", "/result", "/attempts"])
async def test_the_outcome_is_found_where_the_answer_says(
    keeper: handing.Keeper, call: tuple[str, str, str, str], part: str
) -> None:
    """``Location`` is made of the stem, and a GET of it comes back, whatever methods and paths the Function has."""
    host, path, stem, function = call
    await keeper.call(host, path, headers=LATER)
    (seen,) = keeper.take()
    assert seen.told.get("stem", "") == stem
    location = f"{stem}/invocations/{ID}{part}"
    assert (await keeper.call(host, f"{location}?wait=1", method="GET")).status == 202
    (asked,) = keeper.take()
    assert asked.told["function"] == function
    assert asked.told["async"] == handover.READ
    assert asked.path.partition("?")[0].endswith(f"/invocations/{ID}{part}")


async def test_a_stem_below_async_is_called_at_once(keeper: handing.Keeper) -> None:
    """Who names such a path means it: it goes before calls for later of whoever has the rest."""
    answer = await keeper.call(SHOP, "/async/under/x", headers=LATER)
    assert (answer.status, answer.body["function"], answer.body["path"]) == (200, "under", "/async/under/x")
    assert keeper.take() == []


async def test_nobody_gets_anothers_calls(keeper: handing.Keeper) -> None:
    """A Function that takes none is asked itself, so that it can say so; its calls never become a neighbour's."""
    answer = await keeper.call(SHOP, "/closed/x", headers=LATER)
    assert (answer.status, answer.body["function"], keeper.take()) == (200, "closed", [])
    await keeper.call(SHOP, "/async/closed/x")
    assert [seen.told["function"] for seen in keeper.take()] == ["closed"]


@pytest.mark.parametrize(
    ("path", "method"), [("/pay/x", "POST"), ("/async/pay/x", "POST"), (f"/pay/invocations/{ID}", "GET")]
)
async def test_https_comes_first(keeper: handing.Keeper, path: str, method: str) -> None:
    """Without TLS calls and questions are redirected, with it they are handed over."""
    answer = await keeper.call(SECURE, path, method=method, headers=LATER)
    assert (answer.status, answer.headers.get("location")) == (301, f"https://{SECURE}{path}")
    assert keeper.take() == []
    assert (await keeper.call(SECURE, path, method=method, headers=LATER, listener="secure")).status == 202
    assert [seen.told["function"] for seen in keeper.take()] == ["pay"]


@pytest.mark.parametrize(
    "http", [{"hosts": ["one.example.com"]}, {"hosts": ["one.example.com"], "paths": [{"path": "/a"}, {"path": "/b"}]}]
)
async def test_policies_hold_there(tmp_path: Path, http: dict[str, Any]) -> None:
    """At a host of one path, which is protected as a whole, and at one of several: no key, no call, on any way."""
    async with handing.run(tmp_path) as keeper:
        await keeper.gateway.function("guarded")
        policy = {"auth": {"apiKey": {"secret": "keys"}}}
        keeper.gateway.put(objects.function("guarded", http={**http, **policy}))
        keeper.gateway.table.trust.put(("shop", "keys"), {"partner": "0123456789abcdef"})
        key = {"X-API-Key": "0123456789abcdef"}
        await keeper.until("one.example.com", "/a", status=200, headers=key)
        for path in ("/a/x", "/async/a/x", f"/a/invocations/{ID}", f"/async/a/invocations/{ID}"):
            assert ((await keeper.call("one.example.com", path, headers=LATER)).status, keeper.take()) == (401, [])
            assert (await keeper.call("one.example.com", path, headers=LATER | key)).status == 202
            assert [seen.told["client"] for seen in keeper.take()] == ["partner"]
