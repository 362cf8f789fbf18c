"""What every test may use."""

from __future__ import annotations

import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--with-e2e", action="store_true", help="run the end-to-end tests on the cluster of .cluster/env")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--with-e2e"):
        deselected = [item for item in items if item.get_closest_marker("e2e")]
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if not item.get_closest_marker("e2e")]


def read_cluster_env() -> dict[str, str]:
    """Return what ``.cluster/env`` exports; the process environment wins."""
    file = ROOT / ".cluster" / "env"
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (re.fullmatch(r"export (\w+)=[\"']?(.*?)[\"']?", line) for line in lines)
    exported = {match[1]: os.path.expandvars(match[2]) for match in pairs if match}
    return exported | {
        name: os.environ[name] for name in ("KUBECONFIG", "GATEWAY_URL", "REGISTRY") if name in os.environ
    }


@pytest.fixture(scope="session")
def cluster_env() -> dict[str, str]:
    """KUBECONFIG, GATEWAY_URL, REGISTRY and PATH of the running cluster."""
    env = read_cluster_env()
    if missing := {"KUBECONFIG", "GATEWAY_URL", "REGISTRY"} - env.keys():
        pytest.fail(f"no cluster: {sorted(missing)} not set and .cluster/env absent; run `make up`")
    return env
