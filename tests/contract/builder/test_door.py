"""The door lets in who holds the token, joins equal requests, and outlives what its builds and registry do."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from tests import ports
from tests.contract.builder.conftest import TOKEN, push_base

HELLO = "def hello(request):\n    return 'hello'\n"

TOKENS = {
    "none": None,
    "empty": "",
    "wrong": "another",
    "prefix": TOKEN[:-1],
    "longer": TOKEN + "x",
    "not ascii": "tökén",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
async def test_stranger_is_refused(builder, inline, token) -> None:
    """Without the token there is no build."""
    answer = await builder.post(inline({"handler.py": HELLO}), token=token)
    assert answer.status == 401
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
async def test_without_token_file_all_are_refused(builder, given, inline, content) -> None:
    """An absent or empty token closes the door, for an empty token too."""
    given.internal_token_file.unlink()
    if content is not None:
        given.internal_token_file.write_text(content)
    for token in (TOKEN, "", None):
        assert (await builder.post(inline({"handler.py": HELLO}), token=token)).status == 401


async def test_token_can_be_rotated(builder, given, inline) -> None:
    """The file is read at each use."""
    given.internal_token_file.write_text("rotated")
    assert (await builder.post(inline({"handler.py": HELLO}))).status == 401
    assert (await builder.post(inline({"handler.py": HELLO}), token="rotated")).status == 200


MALFORMED = {
    "not json": (b"{", "0", "body"),
    "no source": ({"namespace": "a", "name": "b"}, "0", "source: Field required"),
    "two sources": (
        {"namespace": "a", "name": "b", "source": {"inline": {"files": {}}, "oci": {"ref": "x"}}},
        "0",
        "set exactly one of inline, oci",
    ),
    "unknown field": (
        {"namespace": "a", "name": "b", "source": {"oci": {"ref": "x"}}, "privileged": True},
        "0",
        "privileged: Extra inputs",
    ),
    "unknown signature": (
        {"namespace": "a", "name": "b", "source": {"oci": {"ref": "x"}}, "signature": "grpc"},
        "0",
        "signature: Input should be",
    ),
    "bad wait": ({"namespace": "a", "name": "b", "source": {"oci": {"ref": "x"}}}, "soon", "wait='soon'"),
    "negative wait": ({"namespace": "a", "name": "b", "source": {"oci": {"ref": "x"}}}, "-1", "wait='-1'"),
    "deep": (b"[" * 100_000, "0", "body"),
}


@pytest.mark.parametrize(("body", "wait", "text"), MALFORMED.values(), ids=MALFORMED)
async def test_malformed(builder, body, wait, text) -> None:
    """A malformed request is a 400 that names the field."""
    answer = await builder.post(body, wait=wait)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert text in (await answer.json(content_type=None))["detail"]


async def test_too_large_request(builder) -> None:
    """A request that no manifest could cause is refused."""
    answer = await builder.client.post(
        "/v1/builds", data=io.BytesIO(bytes(9 * 1024 * 1024)), headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert answer.status == 413


@pytest.mark.parametrize("bad", ["../x", "A", "a/b", "a" * 64, ""])
async def test_names(builder, inline, bad) -> None:
    """A name that is no DNS label never becomes part of a repository."""
    status = await builder.build({**inline({"handler.py": HELLO}), "namespace": bad})
    assert (status.state, status.reason, status.temporary) == ("failed", "InvalidName", False)


async def test_equal_requests_are_one_build(builder, inline) -> None:
    """Ten callers of one request wait for one build."""
    request = inline({"handler.py": HELLO, "requirements.txt": "idna==3.6\n"})
    statuses = await asyncio.gather(*(builder.build(request) for _ in range(10)))
    assert {status.state for status in statuses} == {"succeeded"}
    assert len({status.image for status in statuses}) == 1
    text = await builder.text("/metrics")
    assert 'mayfly_builds_total{reason="",result="succeeded"} 1.0' in text
    assert 'mayfly_build_step_seconds_count{step="push"} 1.0' in text


async def test_without_waiting(builder, inline) -> None:
    """A caller that does not wait gets the state as it is and asks again."""
    request = inline({"handler.py": HELLO, "requirements.txt": "idna==3.5\n"})
    status = await builder.build(request, wait="0")
    assert status.state in {"queued", "running"}
    assert not status.final
    assert (await builder.build(request)).state == "succeeded"


class SlowIndex:
    """A package index that answers only when released; it counts who asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/simple"
        return self

    async def __aexit__(self, *_) -> None:
        self.release.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.release.wait()
        return web.Response(status=404)


def _children() -> set[str]:
    """Return the command lines of this process's living descendants that are uv."""
    found = set()
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = (task / "stat").read_text().rpartition(")")[2].split()[1]
            command = (task / "cmdline").read_text()
        except OSError:
            continue
        if parent == str(os.getpid()) and "/uv\0" in command:
            found.add(task.name)
    return found


async def test_timeout_kills_and_tells(start_builder, given, inline) -> None:
    """A build that takes too long is stopped with all its processes and says in which step."""
    async with SlowIndex() as index:
        slow = given.model_copy(update={"index_url": index.url, "build_timeout_seconds": 1.5})
        status = await (await start_builder(slow)).build(inline({"handler.py": HELLO, "requirements.txt": "x-slow"}))
    assert (status.state, status.reason) == ("failed", "BuildTimeout")
    assert "longer than 1.5 s, in the step 'dependencies'" in status.message
    assert _children() == set()
    assert list(given.work_dir.iterdir()) == []


async def test_queue_is_bounded(start_builder, given, inline) -> None:
    """One build runs, one waits, the next is sent away for a while; a finished image needs no queue."""
    async with SlowIndex() as index:
        tight = given.model_copy(update={"index_url": index.url, "concurrency": 1, "queue_limit": 1})
        builder = await start_builder(tight)
        ready = inline({"handler.py": HELLO})
        built = await builder.build(ready)
        files = {"handler.py": HELLO, "requirements.txt": "x-slow"}
        first = await builder.build(inline(files), wait="0")
        await index.asked.wait()
        second = await builder.build(inline(files, rebuild="2"), wait="0")
        third = await builder.post(inline(files, rebuild="3"), wait="0")
        assert (first.final, second.state) == (False, "queued")
        assert (third.status, third.headers["Retry-After"]) == (429, "5")
        assert (await builder.build(ready)).image == built.image
        assert "mayfly_builds_waiting 1.0" in await builder.text("/metrics")


async def test_index_down_is_temporary(start_builder, given, inline, unused_host) -> None:
    """An index that cannot be reached is no fault of the function; its URL's password is not shown."""
    away = given.model_copy(update={"index_url": f"http://user:hunter2@{unused_host}/simple"})
    builder = await start_builder(away)
    status = await builder.build(inline({"handler.py": HELLO, "requirements.txt": "idna==3.7"}))
    assert (status.state, status.reason, status.temporary) == ("failed", "DependencyFailed", True)
    assert "cannot be reached" in status.message
    shown = status.model_dump_json() + await builder.text(f"/v1/builds/{status.fingerprint}/log")
    assert "hunter2" not in shown


async def test_permanent_failure_is_remembered(builder, inline) -> None:
    """A failure that only a change can mend is not built again; its log stays."""
    request = inline({"handler.py": "X = 1"})
    first = await builder.build(request)
    again = await builder.build(request)
    assert again == first
    assert "HandlerNotFound" in await builder.text(f"/v1/builds/{first.fingerprint}/log")
    assert 'reason="HandlerNotFound",result="failed"} 1.0' in await builder.text("/metrics")


async def test_registry_down(start_builder, given, inline, unused_host) -> None:
    """A registry that is down is told as such, to be tried again."""
    away = given.model_copy(
        update={"registry": f"{unused_host}/mayfly", "base_images": {"python3.11": f"{unused_host}/base:1"}}
    )
    status = await (await start_builder(away)).build(inline({"handler.py": HELLO}))
    assert (status.state, status.reason, status.temporary) == ("failed", "RegistryUnavailable", True)


async def test_registry_comes_back(start_builder, given, inline, proxy) -> None:
    """Errors while pushing are retried; what lasts longer fails for now, and the next request succeeds."""
    through = given.model_copy(
        update={
            "registry": f"{proxy.host}/mayfly",
            "base_images": {"python3.11": f"{proxy.host}/mayfly/base-python:3.11"},
        }
    )
    builder = await start_builder(through)
    proxy.fail("PUT /v2/.*/manifests/", times=2, status=503)
    assert (await builder.build(inline({"handler.py": HELLO}))).state == "succeeded"
    fault = proxy.fail("PUT /v2/.*/manifests/", times=1000, status=503)
    failed = await builder.build(inline({"handler.py": HELLO + "\n"}))
    assert (failed.state, failed.reason, failed.temporary) == ("failed", "RegistryUnavailable", True)
    fault.times = 0
    assert (await builder.build(inline({"handler.py": HELLO + "\n"}))).state == "succeeded"


async def test_registry_was_emptied(start_builder, given, inline, farm, tmp_path) -> None:
    """A registry that lost everything gets everything again: nothing is taken for granted from memory."""
    fresh = farm.start(tmp_path)
    await push_base(fresh.host)
    own = given.model_copy(
        update={
            "registry": f"{fresh.host}/mayfly",
            "base_images": {"python3.11": f"{fresh.host}/mayfly/base-python:3.11"},
        }
    )
    builder = await start_builder(own)
    request = inline({"handler.py": HELLO, "requirements.txt": "idna==3.7"})
    first = await builder.build(request)
    shutil.rmtree(fresh.storage / "docker")
    await push_base(fresh.host)
    again = await builder.build(request)
    assert again.state == "succeeded", again.message
    assert not again.cached
    assert again.image == first.image


async def test_open_paths(builder) -> None:
    """Probes and metrics need no token; the log does, and knows what it does not know."""
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await builder.client.get(path)).status == 200
    assert (await builder.client.get("/v1/builds/x/log")).status == 401
    answer = await builder.client.get("/v1/builds/x/log", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 404
    assert (await builder.client.get("/nowhere")).content_type == "application/problem+json"


@pytest.fixture
def unused_host() -> str:
    return f"127.0.0.1:{ports.free_port()}"
