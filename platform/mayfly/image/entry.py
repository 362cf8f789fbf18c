"""What goes into a layer: files, directories and symbolic links, each at a path relative to the image's root."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn

from mayfly import errors

_WHITEOUT = ".wh."
"""A name with this prefix would delete a file of a lower layer (image-spec, "layer.md#whiteouts")."""


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


_NOTHING = partial(io.BytesIO, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member of a layer; make it with one of the functions below, which check ``path``.

    ``path`` is relative to the image's root and normalised. ``size`` (bytes) and ``open`` matter for files,
    ``target`` for symbolic links.
    """

    path: str
    kind: Kind
    mode: int
    size: int = 0
    target: str = ""
    open: Callable[[], BinaryIO] = field(default=_NOTHING, compare=False, repr=False)


def make_file(path: str, data: bytes, *, executable: bool = False) -> Entry:
    """Return a file that holds ``data``."""
    return Entry(
        path=check_path(path), kind=Kind.FILE, mode=_mode(executable), size=len(data), open=partial(io.BytesIO, data)
    )


def make_file_from(path: str, source: Path) -> Entry:
    """Return a file with the content of ``source``, which is read only when the layer is packed.

    It is executable if its owner may execute ``source``.
    """
    status = source.lstat()
    if not stat.S_ISREG(status.st_mode):
        _refuse(path, "it is not a regular file", "remove it from the source")
    return Entry(
        path=check_path(path),
        kind=Kind.FILE,
        mode=_mode(bool(status.st_mode & stat.S_IXUSR)),
        size=status.st_size,
        open=partial(_open, source),
    )


def _open(source: Path) -> BinaryIO:
    return source.open("rb")


def make_directory(path: str) -> Entry:
    """Return a directory; parents need not be given, ``complete`` adds them."""
    return Entry(path=check_path(path), kind=Kind.DIRECTORY, mode=0o755)


def make_symlink(path: str, target: str) -> Entry:
    """Return a symbolic link to ``target``, which is kept as it is."""
    if not target or "\0" in target:
        _refuse(path, f"its link target {target!r} is empty or has a NUL character", "remove the link")
    return Entry(path=check_path(path), kind=Kind.SYMLINK, mode=0o777, target=target)


def make_tree(root: Path, at: str) -> list[Entry]:
    """Return an entry for everything below the directory ``root``, placed below the image path ``at``.

    Symbolic links stay links and are not followed.

    Raises:
        errors.SourceError: something is neither file, directory nor symbolic link.
    """
    return [make_directory(at), *_walk(root, at)]


def _walk(root: Path, at: str) -> Iterator[Entry]:
    with os.scandir(root) as found:
        for item in found:
            path = f"{at}/{item.name}"
            if item.is_symlink():
                yield make_symlink(path, os.readlink(item.path))  # noqa: PTH115  (the target's exact spelling)
            elif item.is_dir(follow_symlinks=False):
                yield make_directory(path)
                yield from _walk(Path(item.path), path)
            else:
                yield make_file_from(path, Path(item.path))


def complete(entries: Iterable[Entry]) -> list[Entry]:
    """Return ``entries`` sorted by path, each parent directory before its content and added if it is missing.

    Raises:
        errors.SourceError: a path occurs twice, or lies below something that is not a directory.
    """
    by_path: dict[str, Entry] = {}
    for item in entries:
        if item.path in by_path and not (item.kind is by_path[item.path].kind is Kind.DIRECTORY):
            _refuse(item.path, "it occurs twice in one layer", "keep one of the two")
        by_path[item.path] = item
    for path in list(by_path):
        for parent in PurePosixPath(path).parents[:-1]:
            above = by_path.setdefault(str(parent), make_directory(str(parent)))
            if above.kind is not Kind.DIRECTORY:
                _refuse(path, f"{above.path!r} above it is a {above.kind}", "rename one of the two")
    return sorted(by_path.values(), key=lambda item: item.path.split("/"))


def check_path(path: str) -> str:
    """Return ``path`` relative to the image's root and normalised: no leading slash, no ``.`` parts.

    Raises:
        errors.SourceError: it leaves the root, is the root, or would be read as a whiteout.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or "\0" in path:
        _refuse(path, "it must name something below the root, without .. and NUL", "rename it")
    if any(part.startswith(_WHITEOUT) for part in parts):
        _refuse(path, f"names that begin with {_WHITEOUT!r} delete files of lower layers", "rename it")
    return "/".join(parts)


def _mode(executable: bool) -> int:
    return 0o755 if executable else 0o644


def _refuse(path: str, rule: str, fix: str) -> NoReturn:
    raise errors.SourceError(f"path {path!r} cannot go into a layer: {rule}; {fix}")
