"""Each end-to-end test has a user with a namespace of their own."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.e2e.person import ROOT, User, make_user


def pytest_collection_modifyitems(items):
    for item in items:
        if pathlib.Path(item.fspath).is_relative_to(ROOT / "tests" / "e2e"):
            item.add_marker(pytest.mark.e2e)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def user(cluster_env: dict[str, str]) -> Iterator[User]:
    """A user with a namespace of this test's own."""
    with make_user(cluster_env) as person:
        yield person
