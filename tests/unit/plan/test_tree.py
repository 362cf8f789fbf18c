"""A source tree holds only names that mean one file below one directory everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.plan import tree

UNSAFE = {
    "absolute": "/etc/passwd",
    "climbing": "a/../../b",
    "parent": "..",
    "dot": "a/./b",
    "empty": "",
    "double slash": "a//b",
    "backslash": "a\\b",
    "drive": "C:/x",
    "control": "a\nb",
    "null": "a\0b",
    "bidi": "a\u202eyp.exe",
    "long": "a" * 241,
    "long in bytes": "ä" * 121,
    "deep": "/".join("a" * 33),
    "surrogate": "a\udcff",
}


@pytest.mark.parametrize("path", UNSAFE.values(), ids=UNSAFE)
def test_unsafe_path(path: str) -> None:
    """An unsafe path is refused and shown escaped."""
    with pytest.raises(errors.SourceError) as caught:
        tree.check_path(path)
    assert str(caught.value).isprintable()


@given(st.text(max_size=60))
def test_safe_path_stays_below(path: str) -> None:
    """What passes is relative and climbs nowhere, whatever came in."""
    try:
        clean = tree.check_path(path)
    except errors.SourceError:
        return
    assert not clean.startswith("/")
    assert not {"", ".", ".."} & {*clean.split("/")}


MEETING = {
    "twice": ("a.py", "a.py"),
    "case": ("Main.py", "main.py"),
    "sharp s": ("straße.py", "STRASSE.py"),
    "normalisation": ("caf\u00e9.py", "cafe\u0301.py"),
    "directory case": ("Lib/a.py", "lib/b.py"),
    "file and directory": ("a", "a/b"),
    "directory and file": ("a/b", "a"),
}


@pytest.mark.parametrize(("one", "two"), MEETING.values(), ids=MEETING)
def test_meeting_names(one: str, two: str) -> None:
    """Two names that could be one file are refused."""
    names = tree.Names()
    names.add_file(one)
    with pytest.raises(errors.SourceError, match="meets"):
        names.add_file(two)


def test_ignored() -> None:
    """Version control, caches and virtual environments stay out; tests and data stay in."""
    paths = [".git/config", "a/__pycache__/b.cpython-311.pyc", ".venv/x.py", "node_modules/x/y.js", "b.pyc"]
    made = tree.make_tree(dict.fromkeys([*paths, "a.py", "tests/test_a.py", "data/.keep"], b""))
    assert sorted(made.files) == ["a.py", "data/.keep", "tests/test_a.py"]


def test_nothing_left() -> None:
    """A source of ignored files alone is refused."""
    with pytest.raises(errors.SourceError, match="no file"):
        tree.make_tree({".git/config": b""})


def test_not_utf8() -> None:
    """Text that is not UTF-8 is named with its place."""
    with pytest.raises(errors.SourceError, match=r"requirements.txt: not UTF-8 text at byte 1"):
        tree.SourceTree({"requirements.txt": b"a\xff"}).text("requirements.txt")
