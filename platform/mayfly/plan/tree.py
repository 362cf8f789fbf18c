"""A function's source as a value: path -> bytes, safe to lay out below one directory.

A path must mean one file on every file system a developer uses, and one below the source's root
(https://cwe.mitre.org/data/definitions/22.html and 178.html).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mayfly import errors

MAX_PATH_BYTES = 240
MAX_DEPTH = 32
MAX_FILES = 10_000

IGNORED_PARTS = frozenset(
    {
        ".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".mypy_cache", ".pytest_cache",
        ".ruff_cache", ".tox", ".nox", ".idea", ".vscode", ".DS_Store", "__MACOSX",
    }
)  # fmt: skip
"""Directory and file names that tools leave behind; they are never part of a function."""
IGNORED_SUFFIXES = (".pyc", ".pyo")


@dataclass(frozen=True)
class SourceTree:
    """The files of one function; ``files`` may read its values lazily, so take only what is needed.

    ``executable`` names the files that were marked as programs.
    """

    files: Mapping[str, bytes]
    executable: frozenset[str] = frozenset()

    def text(self, path: str) -> str:
        """Return the file at ``path`` as UTF-8 text.

        Raises:
            SourceError: the file is not UTF-8.
        """
        try:
            return self.files[path].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise errors.SourceError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from error

    def python_files(self) -> list[str]:
        """Return the paths of all Python sources, sorted."""
        return sorted(path for path in self.files if path.endswith(".py"))


def ignored(path: str) -> bool:
    """Tell whether ``path`` is left out of the image: version control, caches, virtual environments, bytecode."""
    return path.endswith(IGNORED_SUFFIXES) or not IGNORED_PARTS.isdisjoint(path.split("/"))


def check_path(path: str) -> str:
    """Return ``path`` without a leading ``./`` or trailing slash, if it is safe below a directory.

    Raises:
        SourceError: it is absolute, climbs, is too long or too deep, or holds characters that no source needs.
    """
    clean = path.removeprefix("./").rstrip("/")
    parts = clean.split("/")
    if problem := _problem(clean, parts):
        raise errors.SourceError(f"path {_shown(path)} {problem}")
    return clean


def _problem(path: str, parts: list[str]) -> str | None:
    """Return what is wrong with ``path``, or None."""
    checks = (
        (not path, "is empty; name a file"),
        (path.startswith("/"), "is absolute; use a path relative to the source"),
        (any(part in {"", ".", ".."} for part in parts), "has an empty, '.' or '..' part; write it out"),
        ("\\" in path, "holds a backslash; separate directories with '/'"),
        (":" in parts[0], "begins with a drive or scheme; use a path relative to the source"),
        (not path.isprintable(), "holds a control character; rename the file"),
        (len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES, f"is longer than {MAX_PATH_BYTES} bytes"),
        (len(parts) > MAX_DEPTH, f"is more than {MAX_DEPTH} directories deep"),
    )
    return next((text for wrong, text in checks if wrong), None)


def _shown(path: str) -> str:
    """Return ``path`` for a message: escaped and cut."""
    text = ascii(path)
    return text if len(text) <= 80 else f"{text[:77]}...'"  # noqa: PLR2004  (a line of text)


def fold(path: str) -> str:
    """Return the name under which a case-insensitive, normalising file system would keep ``path``.

    >>> fold("Main.py") == fold("main.py")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


class Names:
    """The names seen so far in one archive: refuses two that could meet in one file."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def add_file(self, path: str) -> None:
        """Take note of the file ``path``.

        Raises:
            SourceError: another file or directory has this name, or one that differs only in case or normalisation.
        """
        key = fold(path)
        other = self._files.get(key) or self._directories.get(key)
        if other is not None:
            raise errors.SourceError(
                f"path {_shown(path)} meets {_shown(other)}: equal but for case, accents or kind; keep one of them"
            )
        self._files[key] = path
        if "/" in path:
            self.add_directory(path.rpartition("/")[0])

    def add_directory(self, path: str) -> None:
        """Take note of the directory ``path`` and those above it; a directory may come twice.

        Raises:
            SourceError: a file has this name, or a directory one that differs only in case or normalisation.
        """
        while path:
            key = fold(path)
            other = self._files.get(key) or self._directories.get(key, path)
            if other != path or key in self._files:
                raise errors.SourceError(
                    f"directory {_shown(path)} meets {_shown(other)}: equal but for case, accents or kind; rename one"
                )
            if key in self._directories:
                return
            self._directories[key] = path
            path = path.rpartition("/")[0]


def make_tree(files: Mapping[str, bytes]) -> SourceTree:
    """Return the tree of ``files`` without what is ignored.

    Raises:
        SourceError: a path is unsafe, two paths meet, there are too many files, or none is left.
    """
    names = Names()
    kept: dict[str, bytes] = {}
    check_count(files)
    for path, content in files.items():
        clean = check_path(path)
        names.add_file(clean)
        if not ignored(clean):
            kept[clean] = content
    if not kept:
        raise errors.SourceError("the source holds no file; add at least handler.py")
    return SourceTree(kept)


def check_count(files: Iterable[str]) -> None:
    """Refuse more files than one function may have.

    Raises:
        SourceError: there are more than ``MAX_FILES``.
    """
    count = sum(1 for _ in files)
    if count > MAX_FILES:
        raise errors.SourceError(
            f"the source holds {count} files; {MAX_FILES} are allowed, leave out what is not needed"
        )
