"""Whatever stands in a file: it is migrated to valid manifests or refused, and nothing of it is run."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mayfly.migrate import migration, text
from tests.unit.migrate import samples
from tests.unit.migrate.test_formats import read_trees, write_trees

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "",
            "-1",
            "0",
            "999999999999",
            "1e999",
            "1e999999999",
            "99999999h",
            "0s",
            "10Zi",
            "../../etc/passwd",
            "/",
            "//x",
            "\u2028\u0085",
            "\x00",
            "a" * 70,
            "A" * 300,
            "{{ secret:a:b }}",
            "{{ configMap:A }}",
            "${Stage}",
            "%X%",
            "s3://bucket/key",
            "x.svc",
            "shop.example",
            "python",
            "python3.11",
            "cron(* * * * ? *)",
            "@every 0s",
            "PORT",
            "MAYFLY_X",
            "1.5",
            "ANY",
            "archive://greet-src",
        ]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["name", "value", "Ref", "Fn::Sub", "min"]), below, max_size=4
        )
    ),
    max_leaves=8,
)


def find_places(tree, path=()):
    if path:
        yield path
    several = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, below in several:
        yield from find_places(below, (*path, key))


TREES = {name: read_trees(name) for name in samples.FORMATS}
PLACES = {
    name: [(where, path) for where, tree in trees.items() for path in find_places(tree)]
    for name, trees in TREES.items()
}


@pytest.mark.parametrize("name", samples.FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_values_that_nobody_expects(name, data):
    trees = copy.deepcopy(TREES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        where, path = data.draw(st.sampled_from(PLACES[name]))
        tree = trees[where]
        try:
            for key in path[:-1]:
                tree = tree[key]
            tree[path[-1]] = data.draw(VALUES)
        except (KeyError, IndexError, TypeError):
            continue
    try:
        found = migration.migrate(write_trees(name, trees), root=name)
    except text.Unreadable as error:
        assert str(error)  # noqa: PT017
        return
    for one in found.functions:
        assert (one.manifest is None) == bool(one.blocked)
        if one.manifest is not None:
            samples.check_manifest(one.manifest)
            assert migration.render(one).startswith("# Written by")
    json.dumps(samples.to_document(found)).encode()


@pytest.mark.parametrize("name", samples.FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_that_got_damaged(name, data):
    files = samples.read_files(name)
    file = data.draw(st.sampled_from(sorted(files)))
    content = files[file]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    files[file] = content[:start] + data.draw(st.binary(max_size=12)) + content[end:]
    try:
        found = migration.migrate(files, root=name)
    except text.Unreadable:
        return
    for one in found.functions:
        if one.manifest is not None:
            samples.check_manifest(one.manifest)


def test_the_room_can_start_nothing():
    """Neither a module of ours in this room nor what it imports brings in a way to run code of the input."""
    code = (
        "import sys\nfrom mayfly.migrate import migration, placing\n"
        "print(sorted({'subprocess', 'socket', 'importlib.util', 'runpy', 'aiohttp'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aiohttp" not in done.stdout
    assert "runpy" not in done.stdout
