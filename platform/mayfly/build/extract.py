"""Unpack an uploaded archive, which is untrusted, into a spool.

Only regular files and directories pass; names are checked by ``plan.tree``; what is counted is what is produced.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mayfly import errors
from mayfly.build import limits, spool, untar, unzip
from mayfly.plan import tree

_SHOWN_FOLDERS = 20


def extract(
    archive: BinaryIO, *, bounds: limits.Limits, directory: Path, folder: str = "", packed_bytes: int | None = None
) -> spool.Spool:
    """Return the files of ``archive`` (tar, tar.gz or zip, told by its first bytes); the caller closes the spool.

    Of an archive's ``folder`` only what is below it is taken; the rest is counted all the same. ``packed_bytes`` is
    the size that the archive had when it came, where that is not its own.

    Raises:
        SourceError: it is damaged, unsafe or too large; nothing of it remains.
    """
    size = archive.seek(0, 2)
    account = limits.Account(bounds, size if packed_bytes is None else packed_bytes)
    files = spool.Spool(directory)
    try:
        _take_all(_below(_members(archive, size, account), folder), files)
    except (OSError, EOFError, zlib.error) as error:
        files.close()
        raise errors.SourceError(f"the archive is damaged: {error}; pack or upload it again") from error
    except BaseException:
        files.close()
        raise
    return files


def _members(archive: BinaryIO, size: int, account: limits.Account) -> Iterator[untar.Member]:
    """Return the members of ``archive`` by its kind."""
    archive.seek(0)
    start = archive.read(untar.BLOCK)
    archive.seek(0)
    if start[:2] == b"\x1f\x8b":
        read = _metered(gzip.GzipFile(fileobj=archive, mode="rb").read, account)
        return untar.read_tar(read, on_member=account.add_member)
    if start[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
        return unzip.read_zip(archive, size, on_member=account.add_member, on_bytes=account.add_bytes)
    if start[257:262] == b"ustar":
        return untar.read_tar(_metered(archive.read, account), on_member=account.add_member)
    raise errors.SourceError("the archive is neither tar, tar.gz nor zip; pack it as tar.gz")


def _metered(read: Callable[[int], bytes], account: limits.Account) -> Callable[[int], bytes]:
    """Return ``read`` with every byte it delivers put to the account; headers count, for a bomb can be all headers."""

    def metered(count: int) -> bytes:
        data = read(count)
        account.add_bytes(len(data))
        return data

    return metered


def _take_all(members: Iterator[untar.Member], files: spool.Spool) -> None:
    """Put every wanted member into ``files``."""
    names = tree.Names()
    for member in members:
        if member.path.strip("./") == "" and member.kind == "directory":
            continue
        path = tree.check_path(member.path)
        if tree.ignored(path):
            continue
        if member.kind == "directory":
            names.add_directory(path)
        elif member.kind is None:
            names.add_file(path)
            files.add(path, member.content)
            if member.executable:
                files.executable.add(path)
        else:
            raise errors.SourceError(
                f"{path!a} is {member.kind}; only plain files and directories are taken: put a copy in its place"
            )
    if not files:
        raise errors.SourceError("the archive holds no file; add at least handler.py")


def _below(members: Iterator[untar.Member], folder: str) -> Iterator[untar.Member]:
    """Yield the members below ``folder``, their paths from there; all of them when it is empty.

    Raises:
        SourceError: there is no such folder.
    """
    if not folder:
        yield from members
        return
    wanted, found = f"{tree.check_path(folder)}/", False
    tops: dict[str, None] = {}
    for member in members:
        path = member.path.removeprefix("./")
        tops.setdefault(path.partition("/")[0]) if len(tops) < _SHOWN_FOLDERS else None
        if path.startswith(wanted):
            found = True
            if path != wanted:
                yield replace(member, path=path.removeprefix(wanted))
    if not found:
        raise errors.SourceError(
            f"source.archive.path {folder!a}: the archive has no such folder; at its top are"
            f" {', '.join(map(ascii, tops)) or 'no files'}"
        )
