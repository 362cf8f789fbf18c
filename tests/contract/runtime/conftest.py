"""Layers as images have them, and a factory of running functions."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sysconfig

import pytest

from tests.contract.runtime import harness

ROOT = pathlib.Path(__file__).resolve().parents[3]
SITE = pathlib.Path(sysconfig.get_path("purelib"))


def link(directory, names):
    """Fill `directory` with links to installed packages; only they can be imported from it."""
    for name in names:
        found = next(
            path
            for path in (SITE / name, SITE / f"{name}.py", harness.FUNCTIONS / f"shared/{name}.py")
            if path.exists()
        )
        (directory / found.name).symlink_to(found)
    return directory


@pytest.fixture(scope="session")
def layer(tmp_path_factory):
    """The runtime layer: the runtime and its libraries, nothing else."""
    directory = link(tmp_path_factory.mktemp("layer"), ["uvicorn", "httptools", "uvloop"])
    (directory / "mayfly_runtime").symlink_to(ROOT / "platform" / "mayfly_runtime")
    return directory


@pytest.fixture(scope="session")
def dependencies(layer, tmp_path_factory):
    """The dependency layers that the functions need, by name."""
    starlette = ["starlette", "anyio", "idna", "typing_extensions"]
    cloudevents = ["cloudevents", "dateutil", "deprecation", "packaging"]
    linked = {"none": [], "click": ["click"], "starlette": starlette, "cloudevents": cloudevents}
    return {name: link(tmp_path_factory.mktemp(name), ["ops", *names]) for name, names in linked.items()}


def install(directory, *wanted):
    """Fill `directory` with wheels, as the builder does."""
    uv = shutil.which("uv", path=f"{SITE.parents[2] / 'bin'}")
    command = [uv, "pip", "install", "--quiet", "--target", str(directory), "--only-binary", ":all:", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return link(directory, ["ops"])


@pytest.fixture(scope="session")
def framework(tmp_path_factory):
    """A dependency layer with functions-framework and Flask."""
    return install(tmp_path_factory.mktemp("framework"), "functions-framework==3.10.2", "flask==3.1.3")


@pytest.fixture(scope="session")
def websocket(tmp_path_factory):
    """A dependency layer with a WebSocket library."""
    return install(tmp_path_factory.mktemp("websocket"), "wsproto==1.2.0")


@pytest.fixture
def start(layer, dependencies, tmp_path):
    """Start functions that end with the test."""
    started = []

    def start(case, *, packages="none", **env):
        started.append(harness.Runtime(tmp_path / str(len(started)), layer, dependencies[packages], case, **env))
        return started[-1]

    yield start
    for runtime in started:
        runtime.close()
