"""Make one archive of a source folder: same files, same bytes, on every machine.

A gzipped tar (POSIX ustar with pax headers where a path needs them), sorted by path, mode 0644, owner 0, time 0.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import pathlib
import stat
import tarfile
from collections.abc import Iterator

from mayfly.cli import exits, ignore

MAX_BYTES = 50 * 1024 * 1024
"""Size of the packed archive that the platform accepts unless it is set up otherwise."""
MAX_UNPACKED = 250 * 1024 * 1024
MAX_FILES = 10_000
MAX_PATH = 240
"""The builder's limits; told here before anything is sent."""
LEVEL = 6


@dataclasses.dataclass(frozen=True)
class Archive:
    """A packed folder; ``digest`` is ``sha256:HEX`` of ``data``, ``files`` the paths in it, sorted."""

    data: bytes
    files: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Return the digest that the registry will know the archive by."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


def make_archive(root: pathlib.Path) -> Archive:
    """Return the archive of all files below ``root`` that are not ignored.

    Raises:
        exits.WrongUsage: there is nothing to pack, a file cannot be packed, or a limit is passed.
    """
    files = sorted(find_files(root), key=lambda path: path.encode())
    if not files:
        raise exits.WrongUsage(f"{str(root)!r} has no file to deploy; write one, for example with: mayfly new NAME")
    if len(files) > MAX_FILES:
        raise exits.WrongUsage(f"{str(root)!r} has {len(files)} files, {MAX_FILES} are allowed; {_advice()}")
    buffer = io.BytesIO()
    size = 0
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=buffer, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files:
            content = _read(root / path)
            size += len(content)
            if size > MAX_UNPACKED:
                raise exits.WrongUsage(f"{str(root)!r} holds more than {MAX_UNPACKED >> 20} MiB; {_advice()}")
            tar.addfile(_make_entry(path, len(content)), io.BytesIO(content))
    return Archive(_check_size(buffer.getvalue(), root), tuple(files))


def find_files(root: pathlib.Path) -> Iterator[str]:
    """Give the path, relative and with ``/``, of each file to pack, in no order.

    A symbolic link to a file inside the folder is packed as that file.

    Raises:
        exits.WrongUsage: a link leads out of the folder or to a folder, or something is no regular file.
    """
    if not root.is_dir():
        raise exits.WrongUsage(f"{str(root)!r} is not a folder; name the folder that holds the function's code")
    own = root / ignore.FILE
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    yield from _walk(root, "", ignore.parse_rules([*ignore.DEFAULTS, *lines]))


def _walk(root: pathlib.Path, below: str, rules: tuple[ignore.Rule, ...]) -> Iterator[str]:
    with os.scandir(root / below) as entries:
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            directory = entry.is_dir(follow_symlinks=False)
            if ignore.is_ignored(path, directory=directory, rules=rules):
                continue
            if directory:
                yield from _walk(root, path, rules)
            else:
                _check(root, path)
                yield path


def _check(root: pathlib.Path, path: str) -> None:
    """Raise unless ``path`` can go into the archive."""
    full = root / path
    if full.is_symlink():
        target = full.resolve()
        if not target.is_relative_to(root.resolve()):
            raise exits.WrongUsage(f"{path!r} links to {str(target)!r} outside the folder; copy the file into it")
        if target.is_dir():
            raise exits.WrongUsage(f"{path!r} links to a folder; copy the folder, or list it in {ignore.FILE}")
    if not full.exists() or not stat.S_ISREG(full.stat().st_mode):
        raise exits.WrongUsage(f"{path!r} is no regular file; remove it, or list it in {ignore.FILE}")
    if len(path.encode(errors="surrogateescape")) > MAX_PATH:
        raise exits.WrongUsage(f"path {path!r} is longer than {MAX_PATH} bytes; shorten it")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise exits.WrongUsage(f"path {path!r} is not UTF-8; rename the file") from None


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise exits.WrongUsage(f"{str(path)!r} cannot be read: {error.strerror}; list it in {ignore.FILE}") from error


def _make_entry(path: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = 0o644
    return entry


def _check_size(data: bytes, root: pathlib.Path) -> bytes:
    if len(data) > MAX_BYTES:
        raise exits.WrongUsage(
            f"{str(root)!r} packs to {len(data) / 2**20:.1f} MiB, {MAX_BYTES >> 20} MiB are allowed; {_advice()}"
        )
    return data


def _advice() -> str:
    return f"list what the function does not need in {ignore.FILE}, and dependencies in requirements.txt"
