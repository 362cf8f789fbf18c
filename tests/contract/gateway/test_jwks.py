"""Which issuers are asked for their keys, and what becomes of their answers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mayfly.gateway import jwks, trust
from mayfly.routing import ingress
from mayfly.routing import trust as sources
from tests.contract.gateway import conftest
from tests.unit.routing.test_sites import make_function

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
KEYS = json.dumps(
    {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                "kid": "1",
            }
        ]
    }
)


class Issuer:
    """A server on loopback that counts who asks it."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], web.Response] = lambda: web.Response(text=KEYS)
        self.port = 0

    async def handle(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return self.answer()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_get("/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@contextlib.asynccontextmanager
async def reading(url: str, *, networks: tuple[Any, ...] = (), directory: Path | None = None) -> AsyncIterator[Any]:
    """Run a reader for a Function that names ``url``, and give what is known of it so far."""
    known = trust.Trust(on_change=lambda _source: None)
    reader = jwks.Reader(known, networks=networks, directory=directory)
    subject = ingress.parse_ingress(make_function("hello", auth={"jwt": {"issuer": "i", "jwksUrl": url}}))
    task = asyncio.create_task(reader.run())
    known.want(sources.Url(url))
    try:
        yield lambda: known.judge(subject)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle(judge: Any) -> tuple[str | None, str]:
    """Return the keys and the finding's message, once there is something to say."""

    def known() -> Any:
        credentials, finding = judge()
        return (credentials, finding) if finding is None or finding.reason != "Programming" else None

    credentials, finding = await conftest.until(known)
    return credentials.jwks, finding.message if finding else ""


async def test_keys_are_read(issuer: Issuer) -> None:
    """An issuer in a network that the operator names may be asked over plain HTTP."""
    async with reading(f"http://127.0.0.1:{issuer.port}/keys", networks=(LOOPBACK,)) as judge:
        assert await settle(judge) == (KEYS, "")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1", "0.0.0.0"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_this_machine_is_not_asked(issuer: Issuer, scheme: str, host: str) -> None:
    """However its address is written, nothing is sent, and the finding says what to do."""
    async with reading(f"{scheme}://{host}:{issuer.port}/keys") as judge:
        keys, message = await settle(judge)
    assert keys is None
    assert "gateway.jwksNetworks" in message or "not a canonical IPv4 address" in message
    assert issuer.asked == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "10.96.0.1", "192.168.0.1", "[fd00::1]", "100.64.0.1"])
async def test_inner_networks_are_not_asked(host: str) -> None:
    """Metadata services, cluster networks and private ones are refused before a connection is made."""
    async with reading(f"https://{host}/keys") as judge:
        assert "may not be called" in (await settle(judge))[1]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), "answers 302"),
        (lambda: web.Response(status=500), "answers 500"),
        (lambda: web.Response(text="x" * (jwks.LONGEST_BYTES + 1)), "longer than 256 KiB"),
        (lambda: web.Response(text="<html>"), "JWKS"),
        (lambda: web.Response(text='{"keys": []}'), "key"),
    ],
    ids=["redirect", "error", "too long", "no JSON", "no key"],
)
async def test_an_answer_that_is_no_key_set_is_named(issuer: Issuer, answer: Any, said: str) -> None:
    """Redirects are not followed; what cannot be used is said with the URL's own words."""
    issuer.answer = answer
    async with reading(f"http://127.0.0.1:{issuer.port}/keys", networks=(LOOPBACK,)) as judge:
        keys, message = await settle(judge)
    assert keys is None
    assert said in message


async def test_keys_survive_a_restart_while_the_issuer_is_away(issuer: Issuer, tmp_path: Path) -> None:
    """The next control begins with the keys that the last one read."""
    url = f"http://127.0.0.1:{issuer.port}/keys"
    async with reading(url, networks=(LOOPBACK,), directory=tmp_path) as judge:
        await settle(judge)
        await conftest.until(lambda: list(tmp_path.glob("*.json")))
    issuer.answer = lambda: web.Response(status=503)
    async with reading(url, networks=(LOOPBACK,), directory=tmp_path) as judge:
        assert await settle(judge) == (KEYS, "")
