"""A builder over real HTTP, with a real registry, the real runtime and the real package index."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import io
import json
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import test_utils, web

from mayfly import settings
from mayfly.build import runtime_dir
from mayfly.builder import app
from mayfly.image import artifact, entry, image, reference, tar
from mayfly.model import build
from mayfly.plan import dependencies
from mayfly.registry import client as clients
from mayfly.registry import pull, push, transport
from tests.contract.registry import conftest as registries
from tests.contract.registry import fault_proxy

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "an-internal-token"


@pytest.fixture(scope="session")
def farm():
    made = registries.Farm()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def registry(farm, tmp_path_factory) -> registries.Registry:
    started = farm.start(tmp_path_factory.mktemp("registry"))
    asyncio.run(push_base(started.host))
    return started


async def push_base(host: str) -> None:
    """Push what stands for the base image: one layer with one file."""
    base = image.append(image.empty(), [tar.make_layer([entry.make_file("etc/base", b"debian\n")])])
    base = image.configure(base, env={"PATH": "/usr/bin"})
    async with clients.open_client(host=host, insecure=True) as client:
        await push.push_image(client, base, reference.ImageRef.parse(f"{host}/mayfly/base-python:3.11"))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def prepared_runtime(tmp_path_factory, cache_dir) -> Path:
    """The real runtime, prepared as for the platform's image."""
    out = tmp_path_factory.mktemp("runtime")
    lock = (ROOT / "requirements" / "runtime.lock").read_bytes()
    fit = dependencies.Target("3.11", runtime_dir.find_platform())
    runtime = ROOT / "platform" / "mayfly_runtime"
    asyncio.run(runtime_dir.prepare(out, lock=lock, runtime=runtime, fit=fit, cache=cache_dir))
    return out


@pytest.fixture(scope="session")
def small_runtime(tmp_path_factory) -> Path:
    """A runtime of one file, for tests that call no function: it is packed in no time."""
    out = tmp_path_factory.mktemp("small-runtime")
    (out / "mayfly_runtime.py").write_text("")
    return out


@pytest.fixture
def given(registry, small_runtime, cache_dir, tmp_path) -> settings.BuilderSettings:
    """Settings of a builder of this test's own."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    return settings.BuilderSettings(
        registry=f"{registry.host}/mayfly",
        registry_insecure=True,
        base_images={"python3.11": f"{registry.host}/mayfly/base-python:3.11"},
        internal_token_file=token,
        runtime_dir=small_runtime,
        work_dir=tmp_path / "work",
        cache_dir=cache_dir,
    )


@pytest.fixture
def real_given(given, prepared_runtime) -> settings.BuilderSettings:
    """The same with the runtime that answers calls."""
    return given.model_copy(update={"runtime_dir": prepared_runtime})


@dataclasses.dataclass
class Caller:
    """Ask a builder as the controller does."""

    client: test_utils.TestClient[web.Request, web.Application]
    app: web.Application

    async def post(self, body: Any, *, token: str | None = TOKEN, wait: str = "30"):
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return await self.client.post(f"/v1/builds?wait={wait}", data=data, headers=headers)

    async def build(self, body: dict[str, Any], *, wait: str = "30") -> build.BuildStatus:
        answer = await self.post(body, wait=wait)
        assert answer.status == 200, await answer.text()
        return build.BuildStatus.model_validate_json(await answer.text())

    async def text(self, path: str) -> str:
        answer = await self.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
        return await answer.text()


StartBuilder = Callable[[settings.BuilderSettings], Awaitable[Caller]]


@pytest_asyncio.fixture
async def start_builder() -> AsyncIterator[StartBuilder]:
    """Start a builder with the settings given; several may run side by side."""
    started: list[test_utils.TestClient] = []

    async def start(given: settings.BuilderSettings) -> Caller:
        made = app.make_app(given)
        client = test_utils.TestClient(test_utils.TestServer(made))
        await client.start_server()
        started.append(client)
        return Caller(client, made)

    yield start
    for client in started:
        await client.close()


@pytest_asyncio.fixture
async def builder(start_builder, given) -> Caller:
    return await start_builder(given)


@pytest_asyncio.fixture
async def proxy(registry):
    async with fault_proxy.run(registry.host) as running:
        yield running


@pytest.fixture
def name(request) -> str:
    """A function name of this test's own."""
    text = "".join(char if char.isalnum() else "-" for char in request.node.name.lower())
    return f"f-{text[-40:].strip('-')}".replace("--", "-")


@pytest.fixture
def inline(name) -> Callable[..., dict[str, Any]]:
    """Make a request with files in it."""

    def make(files: dict[str, str], **more: Any) -> dict[str, Any]:
        return {"namespace": "shop", "name": name, "source": {"inline": {"files": files}}, **more}

    return make


@pytest_asyncio.fixture
async def registry_client(registry) -> AsyncIterator[clients.RegistryClient]:
    async with transport.open_session() as session:
        yield clients.RegistryClient(host=registry.host, insecure=True, session=session)


@pytest.fixture
def upload(registry_client, registry, name):
    """Upload an archive as the API does and return the request that names it."""

    async def send(data: bytes, *, namespace: str = "shop", kind: str = "source") -> dict[str, Any]:
        media_type = f"application/vnd.mayfly.{kind}.v1+tar+gzip"
        made = artifact.make_artifact(media_type, [artifact.make_blob(data, media_type)])
        repository = f"{registry.host}/mayfly/sources/{namespace}/{name}"
        ref = await push.push_image(registry_client, made, reference.ImageRef.parse(repository))
        return {"namespace": "shop", "name": name, "source": {"oci": {"ref": str(ref)}}}

    return send


@pytest.fixture
def unpack(registry_client, tmp_path):
    """Lay the layers of a built image out below a directory and return it with the image."""

    async def take(status: build.BuildStatus) -> tuple[Path, image.Image]:
        assert status.image is not None
        found = await pull.pull_image(registry_client, reference.ImageRef.parse(status.image))
        root = tmp_path / "root"
        for item in found.layers:
            held = io.BytesIO()
            await registry_client.fetch_blob(held, repository=reference.ImageRef.parse(status.image).repository,
                                             digest=item.digest, size=item.size)  # fmt: skip
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(held.getvalue()))) as archive:
                archive.extractall(root, filter="data")
        return root, found

    return take
