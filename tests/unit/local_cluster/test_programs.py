"""The cache key of built programs, and the pinned modules."""

from __future__ import annotations

import re

import pytest

from cluster import layout, programs, toolchain

PARTS = {"go_mod": b"module a\n", "go_sum": b"sum\n", "go_version": "go1.26.1", "flags": "-s"}


def test_the_same_parts_give_the_same_key():
    """A second clone with the same pins finds the programs built."""
    assert programs.make_key(**PARTS) == programs.make_key(**PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_changes_the_key(part):
    """Nothing that decides a program's bytes is left out of its key."""
    changed = {**PARTS, part: PARTS[part] + PARTS[part]}
    assert programs.make_key(**changed) != programs.make_key(**PARTS)


def test_a_byte_moved_between_parts_changes_the_key():
    """The parts are told apart, not run together."""
    moved = {**PARTS, "go_mod": b"module a\ns", "go_sum": b"um\n"}
    assert programs.make_key(**moved) != programs.make_key(**PARTS)


def test_the_key_is_a_short_file_name():
    """The key can stand in a directory's name."""
    assert re.fullmatch("[0-9a-f]{16}", programs.make_key(**PARTS))


@pytest.mark.parametrize("name", ["kubernetes", "etcd", "knative", "kourier", "eventing", "tools", "kind"])
def test_each_set_is_pinned(name):
    """Every set has a go.mod that lists its tools and a go.sum."""
    module = layout.find_layout().modules / name
    assert "tool" in (module / "go.mod").read_text()
    assert (module / "go.sum").stat().st_size > 0


def test_kubernetes_versions_agree():
    """The version the programs report is the one that go.mod pins."""
    text = (layout.find_layout().modules / "kubernetes" / "go.mod").read_text()
    assert re.search(rf"k8s\.io/kubernetes {re.escape(programs.KUBERNETES_VERSION)}\s", text)


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.19.8 linux/amd64", (1, 19)), ("go1.26", (1, 26)), ("devel", (0, 0)), ("", (0, 0))],
)
def test_go_versions_are_compared_by_number(text, version):
    """go1.9 is older than go1.21, and what is no version is older than all."""
    assert toolchain.parse_version(text) == version
