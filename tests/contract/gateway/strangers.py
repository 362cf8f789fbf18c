"""A gateway in front of a function that records every byte, for tests that send bytes of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from mayfly.routing import ingress
from tests.contract.gateway import conftest, raw, test_tls
from tests.unit.routing import objects

HOST = "hello.shop.example.com"
LOCAL = "hello.shop.svc.cluster.local"
Listener = Literal["public", "internal", "secure"]


@dataclasses.dataclass(slots=True)
class Stand:
    """Hold a gateway, the function behind it, and how to trust its certificate."""

    gateway: conftest.Gateway
    function: raw.Function
    context: ssl.SSLContext

    def port(self, listener: Listener) -> int:
        """Return the port of a listener."""
        found = self.gateway.place.port(listener)
        assert found is not None
        return found

    async def exchange(
        self, data: bytes | str, *, listener: Listener = "public", source: str | None = None
    ) -> list[raw.Answer]:
        """Send bytes, with ``{host}`` filled in, from an own address; return all answers, the sentinel's among them."""
        sent = (data.encode("latin-1") if isinstance(data, str) else data).replace(b"{host}", HOST.encode())
        context = self.context if listener == "secure" else None
        return await raw.exchange(self.port(listener), sent, host=HOST, context=context, source=source)

    async def open(self, listener: Listener = "public") -> raw.Connection:
        """Connect to a listener."""
        context = self.context if listener == "secure" else None
        return await raw.open_(self.port(listener), context=context, name=HOST if context else None)


@contextlib.asynccontextmanager
async def run(directory: Path, *, tls: bool = False, **options: Any) -> AsyncIterator[Stand]:
    """Serve ``HOST`` everywhere and ``LOCAL`` inside, by one recording function."""
    function = raw.Function()
    context = ssl.create_default_context()
    test_tls.AUTHORITY.configure_trust(context)
    async with conftest.run(directory, **options) as gateway:
        await function.start()
        try:
            paths = objects.path(objects.split("hello"))
            gateway.put(
                objects.service("hello"),
                objects.slice_("hello", "127.0.0.1", port=function.port),
                objects.ingress(
                    "hello",
                    objects.rule([HOST], paths),
                    objects.rule([LOCAL], paths, visibility="ClusterLocal"),
                    **({"tls": [{"hosts": [HOST], "secretName": "one"}]} if tls else {}),
                ),
            )
            if tls:
                gateway.table.keys.put(ingress.SecretName("shop", "one"), test_tls.issue(HOST))
                await test_tls.secured(gateway, HOST)
            await gateway.serves(HOST)
            await gateway.serves(LOCAL, listener="internal")
            function.take()
            yield Stand(gateway, function, context)
        finally:
            await function.stop()
