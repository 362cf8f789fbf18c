"""Equal files give equal layers, whatever surrounds them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mayfly import errors
from mayfly.image import entry, tar

KNOWN = [
    entry.make_file("app/main.py", b"def main(): ...\n"),
    entry.make_file("app/run.sh", b"#!/bin/sh\n", executable=True),
    entry.make_symlink("app/link", "main.py"),
    entry.make_directory("app/empty"),
    entry.make_file("app/" + "d" * 120 + "/n.py", b"x"),
    entry.make_file("app/käse.txt", b""),
]
KNOWN_DIFF_ID = "sha256:10985c7c78cb17a7c00dc2247a41c2b6a666b5f626df84343e6e5bcee27a0a11"


def read(layer):
    with layer.content() as blob, tarfile.open(fileobj=blob, mode="r:gz") as archive:
        return {
            item.name: (item, (archive.extractfile(item) or io.BytesIO()).read() if item.isfile() else b"")
            for item in archive
        }


def test_archive_is_pinned():
    """The archive's bytes are these on every machine; a change here changes the digest of every image."""
    assert tar.make_layer(KNOWN).diff_id == KNOWN_DIFF_ID


def test_members_are_normalised():
    """Order, owner, time and mode are fixed; parents are added before what they hold."""
    found = read(tar.make_layer(KNOWN))
    assert list(found) == [
        "app",
        "app/" + "d" * 120,
        "app/" + "d" * 120 + "/n.py",
        "app/empty",
        "app/käse.txt",
        "app/link",
        "app/main.py",
        "app/run.sh",
    ]
    assert {(item.uid, item.gid, item.uname, item.gname, item.mtime) for item, _ in found.values()} == {
        (0, 0, "", "", 0)
    }
    modes = {name: oct(item.mode) for name, (item, _) in found.items()}
    assert (modes["app"], modes["app/main.py"], modes["app/run.sh"]) == ("0o755", "0o644", "0o755")
    assert found["app/link"][0].linkname == "main.py"
    assert found["app/main.py"][1] == b"def main(): ...\n"


def test_digests_are_of_what_they_say():
    """Digest and size are of the compressed bytes, the diff id of the archive; the gzip header tells nothing."""
    layer = tar.make_layer(KNOWN)
    blob = layer.content().read()
    assert (layer.digest, layer.size) == ("sha256:" + hashlib.sha256(blob).hexdigest(), len(blob))
    assert layer.diff_id == "sha256:" + hashlib.sha256(gzip.decompress(blob)).hexdigest()
    assert blob[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


_name = some.text("abcAB.-_ é", min_size=1, max_size=6).filter(lambda text: text not in {".", ".."})
_paths = some.lists(some.lists(_name, min_size=1, max_size=4).map("/".join), max_size=12)


@settings(max_examples=150, deadline=None)
@given(_paths, some.randoms())
def test_order_does_not_matter(paths, random):
    """Any order of any set of files gives one digest, or is refused alike."""
    files = [entry.make_file(path, path.encode()) for path in paths]
    shuffled = random.sample(files, len(files))
    assert attempt(files) == attempt(shuffled)


def attempt(files):
    try:
        return tar.make_layer(files).digest
    except errors.SourceError:
        return "refused"


PROGRAM = """
import os, pathlib, sys
os.umask(int(sys.argv[2], 8))
from mayfly.image import entry, tar
root = pathlib.Path(sys.argv[1])
for name in {"b.py", "a.py", "sub/c.py", "sub/deep/d.py", "z.py"}:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(name)
print(tar.make_layer(entry.make_tree(root, "app")).digest)
"""


def test_other_processes_agree(tmp_path):
    """Two processes of different hash seed, umask, folder, time zone and locale give one digest."""
    package = str(pathlib.Path(tar.__file__).parents[2])

    def pack(seed: str, umask: str, zone: str) -> str:
        place = tmp_path / seed
        place.mkdir()
        env = {"PYTHONPATH": package, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PATH": os.environ["PATH"]}
        command = [sys.executable, "-c", PROGRAM, str(place / "tree"), umask]
        return subprocess.run(command, cwd=place, env=env, check=True, capture_output=True, text=True).stdout

    assert pack("1", "000", "UTC") == pack("4242", "077", "Asia/Tokyo") != ""


def test_file_and_memory_give_the_same(tmp_path):
    """Where the bytes are kept does not matter."""
    with tempfile.TemporaryFile() as out:
        packed = tar.make_layer(KNOWN, out)
        in_memory = tar.make_layer(KNOWN)
        assert packed == in_memory
        assert packed.content().read() == in_memory.content().read()


def test_content_can_be_read_at_once_from_several_places():
    """Each opening is a view of its own, in threads too, and can seek."""
    layer = tar.make_layer([entry.make_file("noise", os.urandom(3_000_000))])
    whole = layer.content().read()
    results = []
    threads = [threading.Thread(target=lambda: results.append(layer.content().read())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [whole] * 4
    view = layer.content()
    view.seek(1000)
    assert view.read(10) == whole[1000:1010]


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A layer of a large file, packed into a file, never holds it whole."""
    with (tmp_path / "large").open("wb") as large:
        large.truncate(48 * 1024 * 1024)
    tracemalloc.start()
    with tempfile.TemporaryFile() as out:
        layer = tar.make_layer([entry.make_file_from("large", tmp_path / "large")], out)
        with layer.content() as blob:
            while blob.read(1024 * 1024):
                pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 1024 * 1024


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        pytest.param("../etc/passwd", "below the root", id="leaves the root"),
        pytest.param("a/../../b", "below the root", id="dots inside"),
        pytest.param("", "below the root", id="nothing"),
        pytest.param("/", "below the root", id="the root"),
        pytest.param("a\0b", "NUL", id="NUL"),
        pytest.param("app/.wh.secret", "delete files", id="whiteout"),
        pytest.param(".wh..wh..opq", "delete files", id="opaque"),
        pytest.param("a/.wh.b/c", "delete files", id="whiteout as parent"),
    ],
)
def test_unsafe_paths_are_refused(path, rule):
    """Nothing leaves the root or deletes what lower layers hold."""
    for make in (lambda: entry.make_file(path, b""), lambda: entry.make_symlink(path, "x")):
        with pytest.raises(errors.SourceError, match=rule):
            make()


@pytest.mark.parametrize("path", ["/app/a", "app//a", "./app/a", "app/./a"])
def test_paths_are_normalised(path):
    """Spellings of one path are one path."""
    assert entry.make_file(path, b"").path == "app/a"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([entry.make_file("a", b"1"), entry.make_file("a", b"2")], id="twice"),
        pytest.param([entry.make_file("a", b"1"), entry.make_directory("a")], id="file and directory"),
        pytest.param([entry.make_file("a", b"1"), entry.make_file("a/b", b"2")], id="below a file"),
        pytest.param([entry.make_symlink("a", "/etc"), entry.make_file("a/b/c", b"2")], id="below a link"),
    ],
)
def test_collisions_are_refused(files):
    """Two entries never fight for one place, and nothing is written through a link."""
    for order in (files, files[::-1]):
        with pytest.raises(errors.SourceError, match="cannot go into a layer"):
            tar.make_layer(order)


def test_changed_file_is_noticed(tmp_path):
    """A file that grows or shrinks between look and read is an error, not a broken archive."""
    for text in ("longer than before", ""):
        (tmp_path / "f").write_text("before")
        item = entry.make_file_from("f", tmp_path / "f")
        (tmp_path / "f").write_text(text)
        with pytest.raises(errors.SourceError, match="changed while it was packed"):
            tar.make_layer([item])


def test_special_files_are_refused(tmp_path):
    """A pipe in the source is named, and not opened."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.SourceError, match=r"app/pipe.*not a regular file"):
        entry.make_tree(tmp_path, "app")


def test_tree_keeps_links(tmp_path):
    """Links are packed as links, to directories too, and not followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/f").write_text("f")
    (tmp_path / "alias").symlink_to("real")
    found = read(tar.make_layer(entry.make_tree(tmp_path, "/app")))
    assert list(found) == ["app", "app/alias", "app/real", "app/real/f"]
    assert found["app/alias"][0].issym()
