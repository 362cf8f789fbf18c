"""A real registry, and a proxy before it that can fail on demand."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import pytest_asyncio

from mayfly.image import reference
from mayfly.registry import client as clients
from mayfly.registry import retry, transport
from tests import ports
from tests.contract.registry import fault_proxy

PROGRAM = "docker-registry"
PACE = retry.Pace(first_seconds=0.001, longest_seconds=0.01, patience_seconds=5)
"""As many attempts as in earnest, without their pauses."""


@dataclasses.dataclass(frozen=True)
class Registry:
    host: str
    storage: pathlib.Path

    def list_repositories(self) -> list[str]:
        with urllib.request.urlopen(f"http://{self.host}/v2/_catalog") as answer:
            return json.load(answer)["repositories"]


@dataclasses.dataclass
class Farm:
    """Start registries and stop those, and only those, at the end."""

    started: list[subprocess.Popen] = dataclasses.field(default_factory=list)

    def start(self, folder: pathlib.Path, **extra) -> Registry:
        if (program := shutil.which(PROGRAM)) is None:
            pytest.fail(f"{PROGRAM} is not on PATH; `make test` installs it (Debian package docker-registry)")
        host, storage = f"127.0.0.1:{ports.free_port()}", folder / "storage"
        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
            "http": {"addr": host},
            **extra,
        }
        (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
        self.started.append(process)
        wait_until_up(host, process, folder / "log")
        return Registry(host, storage)

    def stop(self) -> None:
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(timeout=10)


def wait_until_up(host: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{host}/v2/").close()
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"{PROGRAM} did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def farm():
    made = Farm()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def registry(farm, tmp_path_factory) -> Registry:
    return farm.start(tmp_path_factory.mktemp("registry"))


@pytest_asyncio.fixture
async def session():
    async with transport.open_session() as opened:
        yield opened


@pytest_asyncio.fixture
async def client(registry, session) -> clients.RegistryClient:
    return clients.RegistryClient(host=registry.host, insecure=True, session=session, pace=PACE)


@pytest_asyncio.fixture
async def proxy(registry):
    async with fault_proxy.run(registry.host) as running:
        yield running


@pytest.fixture
def make_client(session):
    """Make a client of any host with an empty memo, as a new process would have."""

    def make(host: str, **options) -> clients.RegistryClient:
        options = {"insecure": True, "pace": PACE, "session": session, **options}
        return clients.RegistryClient(host=host, **options)

    return make


@pytest.fixture
def repository(request) -> str:
    """A repository of this test's own."""
    return "t/" + "".join(char if char.isalnum() else "-" for char in request.node.name.lower()).strip("-")


@pytest.fixture
def make_ref(registry, repository):
    def make(suffix: str = "", *, host: str = registry.host, tag: str = "v1") -> reference.ImageRef:
        return reference.ImageRef(host, repository + suffix, tag=tag)

    return make


@pytest.fixture
def unused_host() -> str:
    """A loopback address where nothing listens."""
    return f"127.0.0.1:{ports.free_port()}"
