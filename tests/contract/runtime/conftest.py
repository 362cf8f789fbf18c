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


LINKED = {
    "none": [],
    "click": ["click"],
    "starlette": ["starlette", "anyio", "idna", "typing_extensions"],
    "cloudevents": ["cloudevents", "dateutil", "deprecation", "packaging"],
    "pydantic": ["pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions"],
}
"""Dependency layers made of what the tests' own environment holds."""
INSTALLED = {
    "framework": ["functions-framework==3.10.2", "flask==3.1.3"],
    "azure": ["azure-functions==1.26.0", "starlette==1.10.0"],
    "nuclio": ["nuclio-sdk==0.6.3"],
    "parliament": ["parliament-functions==0.1.0", "cloudevents==1.12.0"],
    "websocket": ["wsproto==1.2.0"],
}
"""Dependency layers that are installed as the builder does it, when the first test asks for them."""


class Layers(dict[str, pathlib.Path]):
    """The dependency layers that functions need, by name; each is made once."""

    def __init__(self, factory):
        super().__init__()
        self._factory = factory

    def __missing__(self, name):
        directory = self._factory.mktemp(name)
        self[name] = link(directory, ["ops", *LINKED[name]]) if name in LINKED else install(directory, *INSTALLED[name])
        return self[name]


def install(directory, *wanted):
    """Fill `directory` with wheels, as the builder does."""
    uv = shutil.which("uv", path=f"{SITE.parents[2] / 'bin'}")
    command = [uv, "pip", "install", "--quiet", "--target", str(directory), "--only-binary", ":all:", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return link(directory, ["ops"])


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory):
    """The dependency layers by name."""
    return Layers(tmp_path_factory)


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
