"""TLS at a real Envoy: which certificate a client gets, and what a bad one does to others."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any

import pytest
import trustme

from mayfly import errors
from mayfly.gateway import keyring, probe
from mayfly.routing import certificates, ingress, status
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST, OTHER = "hello.shop.example.com", "other.shop.example.com"
AUTHORITY = trustme.CA()


def issue(*hosts: str) -> certificates.Certificate:
    """Return a certificate for ``hosts`` by the tests' own authority."""
    made = AUTHORITY.issue_cert(*hosts)
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    return certificates.Certificate(chain=chain, key=made.private_key_pem.bytes())


def name(secret: str) -> ingress.SecretName:
    return ingress.SecretName("shop", secret)


def make_ingress(host: str, secret: str, **spec: Any) -> dict[str, Any]:
    """Return an ingress for one host with a certificate."""
    rule = objects.rule([host], objects.path(objects.split("hello")))
    tls = [{"hosts": [host], "secretName": secret, "secretNamespace": "shop"}]
    return objects.ingress(host.partition(".")[0], rule, tls=tls, **spec)


async def connect(gateway: conftest.Gateway, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as a browser would: the name is asked for, and the certificate must be for it."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return await asyncio.open_connection("127.0.0.1", gateway.secure, ssl=context, server_hostname=host)


async def call(gateway: conftest.Gateway, host: str) -> tuple[int, str, str]:
    """Return status, whole text of the answer, and the serial number of the certificate."""
    reader, writer = await connect(gateway, host)
    try:
        serial: str = writer.get_extra_info("peercert")["serialNumber"]
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        text = (await reader.read()).decode()
    finally:
        writer.transport.abort()
    return int(text.split(maxsplit=2)[1]), text, serial


async def secured(gateway: conftest.Gateway, host: str) -> str:
    """Wait until a host answers 200 over TLS; return the serial number of its certificate."""

    async def check() -> str | None:
        with contextlib.suppress(OSError):
            code, _, serial = await call(gateway, host)
            return serial if code == 200 else None
        return None

    found: str = await conftest.until(check, what=f"https://{host} to answer 200")
    return found


async def test_each_host_shows_its_own_certificate(gateway: conftest.Gateway) -> None:
    """The name that a client asks for chooses the certificate; the function learns that the call was encrypted."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one"), make_ingress(OTHER, "two"))
    gateway.table.keys.put(name("one"), issue(HOST))
    gateway.table.keys.put(name("two"), issue(OTHER))
    assert await secured(gateway, HOST) != await secured(gateway, OTHER)
    assert '"x-forwarded-proto": "https"' in (await call(gateway, HOST))[1]
    with pytest.raises(OSError):
        await call(gateway, "unknown.shop.example.com")
    prober = probe.Prober(gateway.session, place=gateway.place)
    assert await prober.check(gateway.table.get(("shop", "hello")), ["127.0.0.1"]) == status.SERVING


async def test_http2_is_offered(gateway: conftest.Gateway) -> None:
    """The handshake agrees on HTTP/2 with who speaks it."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one"))
    gateway.table.keys.put(name("one"), issue(HOST))
    await secured(gateway, HOST)
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.secure, ssl=context, server_hostname=HOST)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.transport.abort()


async def test_redirected_hosts_answer_only_over_tls(gateway: conftest.Gateway) -> None:
    """``httpOption: Redirected`` sends one ingress's callers to https; another's plain calls are answered."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one", httpOption="Redirected"), make_ingress(OTHER, "one"))
    gateway.table.keys.put(name("one"), issue(HOST, OTHER))
    await secured(gateway, HOST)
    await gateway.serves(OTHER)
    code, body = await gateway.call(HOST, "/a")
    assert (code, body["answer"]["location"]) == (301, f"https://{HOST}/a")


async def test_a_new_certificate_interrupts_nothing(gateway: conftest.Gateway) -> None:
    """Five rotations under calls: each is served with the old or the new certificate; a kept connection stays."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one"))
    gateway.table.keys.put(name("one"), issue(HOST))
    before = await secured(gateway, HOST)
    reader, writer = await connect(gateway, HOST)
    for _ in range(5):
        gateway.table.keys.put(name("one"), issue(HOST))
        serial = before
        end = time.monotonic() + conftest.DEADLINE_SECONDS
        while serial == before:
            code, _, serial = await call(gateway, HOST)
            assert code == 200
            assert time.monotonic() < end
        before = serial
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"200"
    writer.transport.abort()


async def test_a_new_host_interrupts_nothing(gateway: conftest.Gateway) -> None:
    """Hosts that come and go, on the same Secret and on another, leave a kept connection alone."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one"))
    gateway.table.keys.put(name("one"), issue(HOST, OTHER))
    await secured(gateway, HOST)
    reader, writer = await connect(gateway, HOST)
    for secret in ("one", "two"):
        gateway.put(make_ingress(OTHER, secret))
        gateway.table.keys.put(name("two"), issue(OTHER))
        await secured(gateway, OTHER)
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200")
        assert b"connection: close" not in head
        length = int(head.partition(b"content-length: ")[2].split(maxsplit=1)[0])
        await reader.readexactly(length)
    writer.transport.abort()


async def test_a_missing_certificate_hurts_its_own_ingress_only(gateway: conftest.Gateway) -> None:
    """No Secret: said so, plain calls and other hosts are served. Created: served. Deleted: withdrawn."""
    await gateway.function("hello")
    keys = gateway.table.keys
    gateway.put(make_ingress(HOST, "one"), make_ingress(OTHER, "two"))
    keys.put(name("one"), None)
    keys.put(name("two"), issue(OTHER))
    await secured(gateway, OTHER)
    await gateway.serves(HOST)
    found = gateway.table.finding(ingress.Key("shop", "hello"))
    assert (found.reason, found.failed, "shop/one" in found.message) == ("CertificateMissing", True, True)
    assert gateway.table.finding(ingress.Key("shop", "other")) is None
    keys.put(name("one"), issue(HOST))
    await secured(gateway, HOST)
    assert gateway.table.finding(ingress.Key("shop", "hello")) is None
    keys.put(name("one"), None)

    async def withdrawn() -> bool:
        try:
            await call(gateway, HOST)
        except OSError:
            return True
        return False

    await conftest.until(withdrawn)
    assert (await call(gateway, OTHER))[0] == 200


@pytest.mark.parametrize("again", [False, True], ids=["at first", "after a sound one"])
async def test_what_envoy_refuses_is_taken_back(gateway: conftest.Gateway, again: bool) -> None:
    """A certificate that only Envoy finds wrong is named in the condition; the last sound one serves on."""
    await gateway.function("hello")
    keys = gateway.table.keys
    gateway.put(make_ingress(HOST, "one"), make_ingress(OTHER, "two"))
    keys.put(name("two"), issue(OTHER))
    if again:
        keys.put(name("one"), issue(HOST))
        before = await secured(gateway, HOST)
    await secured(gateway, OTHER)
    sound = issue(HOST)
    keys.put(name("one"), certificates.Certificate(chain=sound.chain, key=issue(HOST).key))
    key = ingress.Key("shop", "hello")

    def refused() -> bool:
        found = gateway.table.finding(key)
        return found is not None and found.reason == "CertificateRefused"

    await conftest.until(refused)
    assert (await call(gateway, OTHER))[0] == 200
    if again:
        assert await secured(gateway, HOST) == before
    keys.put(name("one"), sound)
    await conftest.until(lambda: gateway.table.finding(key) is None)
    await secured(gateway, HOST)


def test_parts_that_do_not_belong_together_are_found() -> None:
    """The check is what a server does on start; its error names the Secret and shows no key."""
    sound, other = issue(HOST), issue(HOST)
    keyring.check(name("one"), sound)
    for chain, key in ((sound.chain, other.key), (b"no pem", sound.key), (sound.chain, b"no pem")):
        with pytest.raises(errors.InvalidRoute, match="shop/one") as caught:
            keyring.check(name("one"), certificates.Certificate(chain=chain, key=key))
        assert "PRIVATE" not in str(caught.value)


async def test_a_control_that_starts_again_keeps_certificates(gateway: conftest.Gateway) -> None:
    """Envoy serves TLS while control is away, and its listener is left alone when control comes back."""
    await gateway.function("hello")
    gateway.put(make_ingress(HOST, "one"))
    certificate = issue(HOST)
    gateway.table.keys.put(name("one"), certificate)
    before = await secured(gateway, HOST)
    await gateway.control.server.stop()
    assert (await call(gateway, HOST))[0] == 200
    await gateway.restart_control()
    gateway.table.keys.put(name("one"), certificate)
    assert await secured(gateway, HOST) == before
