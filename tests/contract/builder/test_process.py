"""The builder as a process of its own: settings from the environment, killed at will, modest in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mayfly import settings
from mayfly.image import reference
from mayfly.model import build
from tests import ports
from tests.contract.builder.conftest import ROOT, TOKEN
from tests.unit.build import archives

HELLO = "SET = {'a', 'b', ','}\ndef hello(request, flags=frozenset({'x', 'y'})):\n    return request in {'k', 'l'}\n"
PATIENCE = 60.0


class Process:
    """A builder process and how to speak to it."""

    def __init__(self, child: asyncio.subprocess.Process, url: str) -> None:
        self.child, self.url = child, url

    async def ready(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.child.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.02)
        pytest.fail(f"the builder ended with {self.child.returncode}")

    async def build(self, body: dict[str, Any], wait: int = 30) -> build.BuildStatus:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/v1/builds?wait={wait}", json=body, headers=headers) as answer,
        ):
            return build.BuildStatus.model_validate_json(await answer.text())

    def peak_kibibytes(self) -> int:
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


@contextlib.asynccontextmanager
async def _run(given: settings.BuilderSettings, *, cwd: Path, seed: str, umask: int) -> AsyncIterator[Process]:
    """Run ``python -m mayfly.builder`` with ``given`` in its environment."""
    port = ports.free_port()
    values = given.model_dump(mode="json", include=given.model_fields_set) | {"port": port}
    environment = {
        f"MAYFLY_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }
    kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mayfly.builder", cwd=cwd, umask=umask,
        env={**kept, **environment, "PYTHONPATH": str(ROOT / "platform"), "PYTHONHASHSEED": seed},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        running = Process(child, f"http://127.0.0.1:{port}")
        async with aiohttp.ClientSession() as session:
            await running.ready(session)
        yield running
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_two_machines_one_digest(given, inline, registry, tmp_path) -> None:
    """Hash seed, working directory, umask and cache differ; the image does not."""
    request = inline({"handler.py": HELLO, "shop/prices.py": HELLO, "requirements.txt": "idna==3.7\nsix==1.16.0\n"})
    digests = []
    for number, (seed, umask, cwd) in enumerate([("1", 0o022, Path("/")), ("4711", 0o077, tmp_path)]):
        apart = given.model_copy(
            update={"registry": f"{registry.host}/machine{number}", "cache_dir": tmp_path / f"cache{number}"}
        )
        async with _run(apart, cwd=cwd, seed=seed, umask=umask) as process:
            status = await process.build(request)
        assert status.state == "succeeded", status.message
        digests.append(reference.ImageRef.parse(status.image).digest)
    assert digests[0] == digests[1]


async def test_killed_and_asked_again(given, inline, tmp_path) -> None:
    """A builder killed in the middle of a build leaves nothing in the way of the next one."""
    request = inline({"handler.py": HELLO, "requirements.txt": "idna==3.6\n"})
    async with _run(given, cwd=tmp_path, seed="1", umask=0o022) as process:
        await process.build(request, wait=0)
        process.child.send_signal(signal.SIGKILL)
        await process.child.wait()
    async with _run(given, cwd=tmp_path, seed="1", umask=0o022) as process:
        assert (await process.build(request)).state == "succeeded"


async def test_stops_when_asked(given, inline, tmp_path) -> None:
    """On SIGTERM the process ends in good order, a build under way or not."""
    async with _run(given, cwd=tmp_path, seed="1", umask=0o022) as process:
        await process.build(inline({"handler.py": HELLO, "requirements.txt": "idna==3.4\n"}), wait=0)
        process.child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.child.wait(), PATIENCE) == 0


async def test_bombs_need_little_memory(given, upload, tmp_path) -> None:
    """Archive and compiler bombs, one after another, leave the process below 100 MiB."""
    bombs = [
        archives.make_tar(("handler.py", bytes(200_000_000))),
        archives.make_zip(("handler.py", bytes(200_000_000))),
        archives.make_overlap_bomb(),
        archives.many_files(70_000),
        archives.make_tar(("handler.py", b"x = " + b"-" * 3_000_000 + b"1")),
    ]
    requests = [await upload(bomb) for bomb in bombs]
    async with _run(given, cwd=tmp_path, seed="1", umask=0o022) as process:
        for request in requests:
            status = await process.build(request)
            assert (status.state, status.temporary) == ("failed", False)
            assert status.reason in {"SourceRefused", "SyntaxError"}
        assert process.peak_kibibytes() < 100 * 1024
