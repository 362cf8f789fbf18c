"""A gateway with somebody in the eventing process's place: a real server that tells what it was handed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import multidict
import yarl
from aiohttp import web

from mayfly.model import handover
from mayfly.routing import edge, ingress
from tests import ports
from tests.contract.gateway import conftest, test_tls
from tests.unit.routing import objects

TOKEN = "t0ken-of-the-platform-and-nobody-else%40"
NAMESPACE, SERVICE = "mayfly-system", "mayfly-eventing"
ID = "0198f0a6-7c4b-7d52-9a31-0f4b2c9d8e7f"
TOLD = {name: getattr(handover, name.upper()) for name in ("token", "namespace", "function", "stem", "client", "async")}
EVENTING = edge.Eventing(NAMESPACE, SERVICE, 8080)


@dataclasses.dataclass(slots=True)
class Seen:
    """One request; ``told`` is what only the gateway may say, by the names of ``handover``."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, str]:
        return {name: self.headers[header] for name, header in TOLD.items() if header in self.headers}


@dataclasses.dataclass(slots=True)
class Answer:
    """What a caller got; ``body`` is empty unless it was JSON."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Keeper:
    """Answer 202 to everything, or what ``answer`` says; remember what came."""

    def __init__(self, gateway: conftest.Gateway, *, address: str = "127.0.0.1") -> None:
        self.gateway = gateway
        self._address = address
        self.seen: list[Seen] = []
        self.answer: Callable[[web.Request], Any] | None = None
        self.port = ports.free_ports(1)[0]
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve; the gateway knows where already."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address, self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Serve no longer, without telling the gateway."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._runner is not None

    def announce(self, *addresses: str) -> None:
        """Say which instances there are."""
        self.gateway.put(
            objects.service(SERVICE, namespace=NAMESPACE, port=8080),
            objects.slice_(SERVICE, *addresses, port=self.port, namespace=NAMESPACE),
        )

    def take(self) -> list[Seen]:
        """Return what came since the last time."""
        found, self.seen = self.seen, []
        return found

    async def call(
        self,
        host: str,
        path: str = "/",
        *,
        listener: edge.Listener = "public",
        method: str = "POST",
        headers: Any = (),
        data: Any = None,
    ) -> Answer:
        """Call a host of the gateway, with the path exactly as it is given; ``headers`` as a mapping or pairs."""
        url = yarl.URL.build(
            scheme="https" if listener == "secure" else "http",
            authority=f"127.0.0.1:{self.gateway.place.port(listener)}",
            encoded=True,
            path=path.partition("?")[0],
            query_string=path.partition("?")[2],
        )
        sent = multidict.CIMultiDict(headers)
        sent["Host"] = host
        async with self.gateway.session.request(
            method,
            url,
            headers=sent,
            data=data,
            allow_redirects=False,
            ssl=False,
            server_hostname=host.partition(":")[0] if listener == "secure" else None,
        ) as response:
            text = await response.text()
            body = json.loads(text) if text.startswith("{") else {}
            return Answer(response.status, {key.lower(): value for key, value in response.headers.items()}, body)

    async def until(self, host: str, path: str = "/", *, status: int, **options: Any) -> Answer:
        """Call until the answer has this status; forget what came meanwhile."""

        async def check() -> Answer | None:
            with contextlib.suppress(aiohttp.ClientError):
                found = await self.call(host, path, **options)
                return found if found.status == status else None
            return None

        found: Answer = await conftest.until(check, what=f"{host}{path} to answer {status}")
        self.take()
        return found

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            Seen(
                request.method,
                request.raw_path,
                {key.lower(): value for key, value in request.headers.items()},
                await request.read(),
            )
        )
        if self.answer is not None:
            made: web.StreamResponse = await self.answer(request)
            return made
        return web.json_response({"keeper": True}, status=202)


@contextlib.asynccontextmanager
async def run(directory: Path, *, token: str = TOKEN, **options: Any) -> AsyncIterator[Keeper]:
    """Run a gateway that hands over to a keeper; ``options`` as for ``conftest.Gateway``."""
    async with conftest.run(directory, **{"eventing": EVENTING, **options}) as gateway:
        gateway.table.hand_over(token)
        made = Keeper(gateway)
        await made.start()
        made.announce("127.0.0.1")
        try:
            yield made
        finally:
            await made.stop()


def read_problem(answer: Answer) -> str:
    """Return the sentence of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    detail: str = answer.body["detail"]
    return detail


def make_mapping(gateway: conftest.Gateway, host: str, target: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a DomainMapping becomes: a Service that leads to the gateway itself, and an ingress."""
    name = host.partition(".")[0]
    paths = objects.path(objects.split(name), rewriteHost=target)
    return (
        objects.service(name, type="ExternalName", externalName=gateway.place.internal_host),
        objects.ingress(name, objects.rule([host], paths)),
    )


issue = test_tls.issue


async def secure(keeper: Keeper, secret: ingress.SecretName, *hosts: str) -> None:
    """Put a certificate for ``hosts`` where it is wanted, and wait until it is shown."""
    keeper.gateway.table.keys.put(secret, test_tls.issue(*hosts))
    for host in hosts:
        await test_tls.secured(keeper.gateway, host)
