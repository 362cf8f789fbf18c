"""The control process against the real API server, programming a real Envoy on this machine."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mayfly.cluster import client, kinds
from mayfly.gateway import vault
from mayfly.model import labels
from mayfly.routing import certificates
from tests import ports
from tests.contract.gateway import conftest, handing, test_tls
from tests.unit.routing import objects

MANAGER = "contract-test"


class Process:
    """A control process for an ingress class of its own, and a namespace that goes with it."""

    def __init__(self, gateway: conftest.Gateway, cluster: client.Cluster, namespace: str, env: dict[str, str]) -> None:
        self.gateway = gateway
        self.cluster = cluster
        self.namespace = namespace
        self._env = env
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, **settings: str) -> None:
        """Start the process as the pod does; ``settings`` go beside the usual ones from now on."""
        self._env |= settings
        with (self.gateway.directory / "control.log").open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "mayfly.gateway", env=self._env, stderr=log
            )

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    async def apply(self, obj: dict[str, Any], kind: kinds.Kind) -> None:
        """Create or change an object of the test's namespace."""
        metadata = {**obj["metadata"], "namespace": self.namespace}
        for name in ("generation", "creationTimestamp"):
            metadata.pop(name, None)
        await self.cluster.apply(
            {**obj, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}, manager=MANAGER
        )

    async def conditions(self, name: str) -> dict[str, dict[str, Any]]:
        """Return an ingress's conditions by type; empty while they are of another generation."""
        obj = await self.cluster.get(kinds.KINGRESS, self.namespace, name)
        status = obj.get("status") or {}
        current = status.get("observedGeneration") == obj["metadata"]["generation"]
        return {item["type"]: item for item in status.get("conditions", ())} if current else {}


@pytest.fixture
async def process(gateway: conftest.Gateway, cluster_env: dict[str, str], tmp_path: Path) -> AsyncIterator[Process]:
    """Give a running control process in the place of the test's own control."""
    await gateway.control.server.stop()
    namespace = f"gateway-{uuid.uuid4().hex[:8]}"
    (metrics,) = ports.free_ports(1)
    env = os.environ | {
        "KUBECONFIG": cluster_env["KUBECONFIG"],
        "PYTHONPATH": str(Path(__file__).parents[3] / "platform"),
        "MAYFLY_NAMESPACE": namespace,
        "MAYFLY_INGRESS_CLASS": namespace,
        "MAYFLY_XDS_SOCKET": str(gateway.socket),
        "MAYFLY_PUBLIC_PORT": str(gateway.public),
        "MAYFLY_INTERNAL_PORT": str(gateway.internal),
        "MAYFLY_SECURE_PORT": str(gateway.secure),
        "MAYFLY_METRICS_PORT": str(metrics),
        "MAYFLY_PUBLIC_SERVICE": f"public.{namespace}.svc.cluster.local",
        "MAYFLY_INTERNAL_SERVICE": f"internal.{namespace}.svc.cluster.local",
    }
    async with await client.connect(kubeconfig=cluster_env["KUBECONFIG"]) as cluster:
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        made = Process(gateway, cluster, namespace, env)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()
            await cluster.delete(kinds.NAMESPACE, None, namespace)


async def expose(process: Process, name: str, port: int) -> None:
    """Make the Service ``name`` in front of a function on this machine's ``port``.

    The API server refuses loopback addresses in EndpointSlices, so the function is called by another address.
    """
    await process.apply(objects.service(name), kinds.SERVICE)
    await process.apply(objects.slice_(name, own_address(), port=port), kinds.ENDPOINTSLICE)


def own_address() -> str:
    """Return an address of this machine that is not loopback."""
    import socket  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


def make_ingress(process: Process, host: str, *, service: str = "hello", **annotations: str) -> dict[str, Any]:
    made = objects.ingress(
        "hello", objects.rule([host], objects.path(objects.split(service, namespace=process.namespace)))
    )
    made["metadata"]["annotations"] = {"networking.knative.dev/ingress-class": process.namespace, **annotations}
    return made


async def test_an_ingress_lives_and_goes(process: Process) -> None:
    """Applied: served and Ready, in that order. Spoiled: said so, the last version serves. Deleted: gone."""
    host = f"{process.namespace}.example.com"
    runner = await process.gateway.function("hello", addresses=(own_address(),))
    await process.apply(make_ingress(process, host), kinds.KINGRESS)

    async def condition(name: str, status: str) -> dict[str, Any] | None:
        found = (await process.conditions("hello")).get(name)
        return found if found and found["status"] == status else None

    waiting = await conftest.until(lambda: condition("LoadBalancerReady", "Unknown"))
    assert f"{process.namespace}/hello:80" in waiting["message"]
    await expose(process, "hello", runner.addresses[0][1])
    await conftest.until(lambda: condition("Ready", "True"))
    assert (await process.gateway.call(host))[0] == 200

    await process.apply(make_ingress(process, "*.example.com"), kinds.KINGRESS)
    failed = await conftest.until(lambda: condition("Ready", "False"))
    assert (failed["reason"], "'*.example.com'" in failed["message"]) == ("InvalidRoute", True)
    assert (await process.gateway.call(host))[0] == 200

    await process.cluster.delete(kinds.KINGRESS, process.namespace, "hello")

    async def gone() -> bool:
        return (await process.gateway.call(host))[0] == 404

    await conftest.until(gone)


async def test_a_killed_process_costs_nothing(process: Process) -> None:
    """Routes serve while control is gone; what changed meanwhile is caught up with when it is back."""
    old, new = (f"{name}-{process.namespace}.example.com" for name in ("old", "new"))
    runner = await process.gateway.function("hello", addresses=(own_address(),))
    await expose(process, "hello", runner.addresses[0][1])
    await process.apply(make_ingress(process, old), kinds.KINGRESS)
    await process.gateway.serves(old)
    assert await process.stop(signal.SIGKILL) == -signal.SIGKILL
    await process.apply(make_ingress(process, new), kinds.KINGRESS)
    assert (await process.gateway.call(old))[0] == 200
    await process.start()
    await process.gateway.serves(new)

    async def gone() -> bool:
        return (await process.gateway.call(old))[0] == 404

    await conftest.until(gone)


def make_secret(certificate: certificates.Certificate, **labels: str) -> dict[str, Any]:
    parts = {"tls.crt": certificate.chain, "tls.key": certificate.key}
    data = {part: base64.b64encode(content).decode() for part, content in parts.items()}
    return {"metadata": {"name": "certificate", "labels": labels}, "type": "kubernetes.io/tls", "data": data}


@pytest.mark.parametrize("labels", [{}, {vault.LABEL: "test"}], ids=["by name", "with Knative's label"])
async def test_a_secret_is_found_and_followed(process: Process, labels: dict[str, str]) -> None:
    """A Secret that an ingress names: missing and said so, created and served, changed and served anew."""
    host = f"{process.namespace}.example.com"
    runner = await process.gateway.function("hello", addresses=(own_address(),))
    await expose(process, "hello", runner.addresses[0][1])
    made = make_ingress(process, host)
    made["spec"]["tls"] = [{"hosts": [host], "secretName": "certificate", "secretNamespace": process.namespace}]
    await process.apply(made, kinds.KINGRESS)

    async def ready(reason: str | None) -> bool:
        found = (await process.conditions("hello")).get("Ready", {})
        return "status" in found and found.get("reason") == reason

    await conftest.until(lambda: ready("CertificateMissing"))
    await process.apply(make_secret(test_tls.issue(host), **labels), kinds.SECRET)
    before = await test_tls.secured(process.gateway, host)
    await conftest.until(lambda: ready(None))
    await process.apply(make_secret(test_tls.issue(host), **labels), kinds.SECRET)

    async def renewed() -> bool:
        return await test_tls.secured(process.gateway, host) != before

    await conftest.until(renewed)
    broken = certificates.Certificate(chain=test_tls.issue(host).chain, key=test_tls.issue(host).key)
    await process.apply(make_secret(broken, **labels), kinds.SECRET)
    await conftest.until(lambda: ready("CertificateBroken"))
    assert await test_tls.secured(process.gateway, host) != before


async def test_calls_are_handed_over_once_there_is_a_token(process: Process, tmp_path: Path) -> None:
    """Until its file is there a call is one like any other, and the log says why; then it is handed over."""
    host, file = f"{process.namespace}.example.com", tmp_path / "token"
    runner = await process.gateway.function("hello", addresses=(own_address(),))
    keeper = handing.Keeper(process.gateway, address=own_address())
    await keeper.start()
    try:
        await process.stop()
        service = f"{process.namespace}/{handing.SERVICE}:80"
        await process.start(MAYFLY_EVENTING_SERVICE=service, MAYFLY_INTERNAL_TOKEN_FILE=str(file))
        await expose(process, "hello", runner.addresses[0][1])
        await expose(process, handing.SERVICE, keeper.port)
        made = make_ingress(process, host)
        made["metadata"]["labels"] = {labels.FUNCTION: "hello"}
        await process.apply(made, kinds.KINGRESS)
        await keeper.until(host, "/async/x", status=200)
        assert str(file) in (process.gateway.directory / "control.log").read_text()
        file.write_text(f"{handing.TOKEN}\n")
        await keeper.until(host, "/async/x", status=202)
        await keeper.call(host, "/async/x")
        told = {"token": handing.TOKEN, "namespace": process.namespace, "function": "hello", "async": "call"}
        assert [seen.told for seen in keeper.take()] == [told]
        assert handing.TOKEN not in (process.gateway.directory / "control.log").read_text()
    finally:
        await keeper.stop()


async def test_another_class_is_left_alone(process: Process) -> None:
    """An ingress of another class gets neither routes nor a status; given to us, it is served, and taken away again."""
    host = f"{process.namespace}.example.com"
    runner = await process.gateway.function("hello", addresses=(own_address(),))
    await expose(process, "hello", runner.addresses[0][1])
    annotation = {"networking.knative.dev/ingress-class": "somebody-else"}
    await process.apply(make_ingress(process, host, **annotation), kinds.KINGRESS)
    await process.apply(make_ingress(process, host), kinds.KINGRESS)
    await process.gateway.serves(host)
    await process.apply(make_ingress(process, host, **annotation), kinds.KINGRESS)

    async def gone() -> bool:
        return (await process.gateway.call(host))[0] == 404

    await conftest.until(gone)
