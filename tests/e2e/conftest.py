"""Each end-to-end test has a user with a namespace of their own."""

from __future__ import annotations

import os
import pathlib
import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.person import ROOT, User


def pytest_collection_modifyitems(items):
    for item in items:
        if pathlib.Path(item.fspath).is_relative_to(ROOT / "tests" / "e2e"):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def user(cluster_env: dict[str, str]) -> Iterator[User]:
    """A user in a fresh namespace that enforces the restricted Pod Security Standard."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    env = {**os.environ, **cluster_env, "NO_COLOR": "1"}
    person = User(namespace, env, cluster_env["GATEWAY_URL"])
    person.kubectl("create", "namespace", namespace)
    person.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    yield person
    person.kubectl("delete", "namespace", namespace, "--wait=false")
