"""The same files give the same archive; what does not belong in it stays out."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile

import pytest

from mayfly.cli import exits, ignore, pack


def fill(folder, files):
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


FILES = {"main.py": "x = 1\n", "shop/cart.py": "y = 2\n", "Z.txt": "z", "a/ä.txt": "umlaut"}


def test_same_files_same_bytes(tmp_path):
    """Neither order of creation, nor times, nor modes, nor where the folder is, change the archive."""
    one = fill(tmp_path / "one", FILES)
    two = fill(tmp_path / "two", dict(reversed(FILES.items())))
    for path in two.rglob("*"):
        os.utime(path, (1, 1))
    (two / "main.py").chmod(0o755)
    assert pack.make_archive(one).data == pack.make_archive(two).data


def test_the_archive_is_the_same_in_every_release_of_mayfly(tmp_path):
    """A changed digest would rebuild every function; it changes only knowingly."""
    archive = pack.make_archive(fill(tmp_path, {"main.py": "x = 1\n"}))
    with tarfile.open(fileobj=io.BytesIO(archive.data)) as tar:
        [entry] = tar.getmembers()
    assert (entry.name, entry.mode, entry.uid, entry.gid, entry.uname, entry.mtime) == ("main.py", 0o644, 0, 0, "", 0)
    assert archive.data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" or archive.data[3:8] == b"\x00" * 5


def test_entries_are_sorted_by_their_bytes(tmp_path):
    assert pack.make_archive(fill(tmp_path, FILES)).files == ("Z.txt", "a/ä.txt", "main.py", "shop/cart.py")


def test_another_byte_is_another_digest(tmp_path):
    one, two = fill(tmp_path / "1", FILES), fill(tmp_path / "2", {**FILES, "main.py": "x = 2\n"})
    assert pack.make_archive(one).digest != pack.make_archive(two).digest


def test_what_is_no_code_stays_out(tmp_path):
    noise = [
        ".git/config", ".venv/bin/python", "__pycache__/main.cpython-311.pyc", "shop/__pycache__/x.pyc", ".env",
        ".env.local", "function.yaml", ".mayflyignore", "node_modules/x/y.js", ".DS_Store",
    ]  # fmt: skip
    fill(tmp_path, {**dict.fromkeys(noise, ""), "main.py": "", "shop/function.yaml": "kept"})
    assert pack.make_archive(tmp_path).files == ("main.py", "shop/function.yaml")


def test_mayflyignore_adds_and_takes_back(tmp_path):
    fill(tmp_path, {"main.py": "", ".env": "", "tests/test_main.py": "", ".mayflyignore": "tests/\n!.env\n# note\n"})
    assert pack.make_archive(tmp_path).files == (".env", "main.py")


PATTERNS = [
    ("*.log", "a.log", False, True),
    ("*.log", "x/y/a.log", False, True),
    ("*.log", "a.logs", False, False),
    ("/a.txt", "a.txt", False, True),
    ("/a.txt", "x/a.txt", False, False),
    ("x/*.txt", "x/a.txt", False, True),
    ("x/*.txt", "x/y/a.txt", False, False),
    ("x/*.txt", "z/x/a.txt", False, False),
    ("**/a", "x/y/a", False, True),
    ("**/a", "a", False, True),
    ("x/**", "x/y/z", False, True),
    ("x/**", "x", True, False),
    ("x/**/z", "x/z", False, True),
    ("x/**/z", "x/y/y/z", False, True),
    ("build/", "build", True, True),
    ("build/", "build", False, False),
    ("build/", "x/build", True, True),
    ("a?c", "abc", False, True),
    ("a?c", "a/c", False, False),
    ("[ab].py", "a.py", False, True),
    ("[!ab].py", "a.py", False, False),
    ("[!ab].py", "c.py", False, True),
    ("\\#note", "#note", False, True),
    ("a.b", "aXb", False, False),
    ("trailing   ", "trailing", False, True),
]


@pytest.mark.parametrize(("pattern", "path", "directory", "expected"), PATTERNS)
def test_patterns_mean_what_they_mean_in_gitignore(pattern, path, directory, expected):
    assert ignore.is_ignored(path, directory=directory, rules=ignore.parse_rules([pattern])) is expected


def test_patterns_agree_with_git(tmp_path):
    """Git itself is the judge where it is installed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for number, (pattern, path, directory, _) in enumerate(PATTERNS):
        folder = tmp_path / str(number)
        subprocess.run(["git", "init", "-q", folder], check=True)
        (folder / ".gitignore").write_text(pattern + "\n")
        (folder / path).mkdir(parents=True) if directory else fill(folder, {path: ""})
        asked = ["git", "-C", folder, "check-ignore", "-q", "--no-index", path]
        code = subprocess.run(asked, check=False).returncode
        rules = ignore.parse_rules([pattern])
        assert ignore.is_ignored(path, directory=directory, rules=rules) is (code == 0), (pattern, path)


def test_a_link_inside_is_packed_as_its_file(tmp_path):
    fill(tmp_path, {"main.py": "x"})
    (tmp_path / "copy.py").symlink_to("main.py")
    with tarfile.open(fileobj=io.BytesIO(pack.make_archive(tmp_path).data)) as tar:
        assert [entry.isreg() for entry in tar] == [True, True]


def make_outside_link(folder):
    (folder / "passwd").symlink_to("/etc/passwd")


def make_folder_link(folder):
    (folder / "sub").mkdir()
    (folder / "again").symlink_to("sub")


def make_dead_link(folder):
    (folder / "gone.py").symlink_to("nowhere.py")


def make_pipe(folder):
    os.mkfifo(folder / "pipe")


def make_long_path(folder):
    fill(folder, {"a" * 120 + "/" + "b" * 121: ""})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_outside_link, "outside the folder"),
        (make_folder_link, "links to a folder"),
        (make_dead_link, "no regular file"),
        (make_pipe, "no regular file"),
        (make_long_path, "longer than 240 bytes"),
    ],
)
def test_what_cannot_be_packed_is_named(tmp_path, make, words):
    fill(tmp_path, {"main.py": ""})
    make(tmp_path)
    with pytest.raises(exits.WrongUsage, match=words):
        pack.make_archive(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(exits.WrongUsage, match="no file to deploy"):
        pack.make_archive(tmp_path)


def test_a_limit_is_told_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MAX_BYTES", 10)
    with pytest.raises(exits.WrongUsage, match=r"\.mayflyignore"):
        pack.make_archive(fill(tmp_path, {"main.py": "x = 1"}))
