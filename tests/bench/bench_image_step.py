"""Time of the image step: request to image by digest, over HTTP, in a registry.

Run it alone with ``python -m tests.bench.bench_image_step``: in the registry of ``$REGISTRY``, or one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import test_utils

from mayfly import settings
from mayfly.build import runtime_dir
from mayfly.builder import app
from mayfly.image import entry, image, reference, tar
from mayfly.plan import dependencies
from mayfly.registry import client as clients
from mayfly.registry import push
from tests.bench import figures
from tests.contract.registry import conftest as registries

ROUNDS = 15
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "bench"
REQUIREMENTS = "idna==3.7\nsix==1.16.0\ntyping-extensions==4.12.2\n"
MODULES = {f"shop/part{n}.py": "".join(f"def f{i}(x):\n    return x + {i}\n\n\n" for i in range(40)) for n in range(10)}


async def run(_cluster: Any, env: dict[str, str]) -> None:
    """Print the figures; the cluster is not asked, its registry is used."""
    with tempfile.TemporaryDirectory() as scratch:
        await _measure(Path(scratch), env["REGISTRY"])


async def _measure(scratch: Path, host: str) -> None:
    async with _open_builder(scratch, host) as client:
        name = f"bench-{time.time_ns():x}"
        first, status = await _build(client, name, 0)
        changed = [await _build(client, name, number) for number in range(1, ROUNDS + 1)]
        unchanged = [await _build(client, name, ROUNDS) for _ in range(ROUNDS)]
    assert not any(answer["cached"] for _, answer in changed)
    assert all(answer["cached"] for _, answer in unchanged)
    steps = {step["name"]: step["seconds"] for step in changed[-1][1]["steps"]}
    figures.print_figure(
        "image_step_code_change",
        figures.median([seconds for seconds, _ in changed]),
        "s",
        goal=0.5,
        partner={"name": "steps of the last one, s", "value": steps},
        samples=[seconds for seconds, _ in changed],
    )
    figures.print_figure(
        "image_step_unchanged",
        figures.median([seconds for seconds, _ in unchanged]) * 1000,
        "ms",
        goal=50,
        samples=[seconds * 1000 for seconds, _ in unchanged],
    )
    installed = {step["name"]: step["seconds"] for step in status["steps"]}
    figures.print_figure(
        "image_step_first", first, "s", partner={"name": "steps, dependencies not cached, s", "value": installed}
    )


async def _build(client: test_utils.TestClient, name: str, number: int) -> tuple[float, dict[str, Any]]:
    """Return (seconds, status) of building version ``number`` of the function."""
    files = {
        "handler.py": f"from shop import part0\n\ndef hello(request):\n    return 'version {number}'\n",
        "requirements.txt": f"{REQUIREMENTS}# {name}\n",
        **MODULES,
    }
    body = {"namespace": "bench", "name": name, "source": {"inline": {"files": files}}, "rebuild": name}
    started = time.perf_counter()
    async with client.post("/v1/builds?wait=30", json=body, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        status = await answer.json()
    seconds = time.perf_counter() - started
    assert status["state"] == "succeeded", status
    return seconds, status


@contextlib.asynccontextmanager
async def _open_builder(scratch: Path, host: str) -> AsyncIterator[test_utils.TestClient]:
    """Yield a client of a builder with the real runtime."""
    runtime, token = scratch / "runtime", scratch / "token"
    runtime.mkdir()
    token.write_text(TOKEN)
    fit = dependencies.Target("3.11", runtime_dir.find_platform())
    lock = (ROOT / "requirements" / "runtime.lock").read_bytes()
    cache = scratch / "cache"
    await runtime_dir.prepare(runtime, lock=lock, runtime=ROOT / "platform/mayfly_runtime", fit=fit, cache=cache)
    given = settings.BuilderSettings(
        registry=f"{host}/mayfly",
        registry_insecure=True,
        base_images={"python3.11": f"{host}/mayfly/base-python:3.11"},
        internal_token_file=token,
        runtime_dir=runtime,
        work_dir=scratch / "work",
        cache_dir=cache,
    )
    async with test_utils.TestClient(test_utils.TestServer(app.make_app(given))) as client:
        yield client


async def _push_base(host: str) -> None:
    base = image.append(image.empty(), [tar.make_layer([entry.make_file("etc/base", b"base\n")])])
    async with clients.open_client(host=host, insecure=True) as client:
        await push.push_image(client, base, reference.ImageRef.parse(f"{host}/mayfly/base-python:3.11"))


def main() -> None:
    """Measure in the registry of ``$REGISTRY``, or in one that lives as long as this."""
    farm = registries.Farm()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            host = os.environ.get("REGISTRY")
            if not host:
                host = farm.start(Path(scratch)).host
                asyncio.run(_push_base(host))
            asyncio.run(_measure(Path(scratch), host))
        finally:
            farm.stop()


if __name__ == "__main__":
    main()
