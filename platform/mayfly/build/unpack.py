"""Make a tar of one folder of a commit out of a pack: the program of a child process.

Run as ``python -P unpack.py PACK COMMIT FOLDER TAR MAX_FILES MAX_BYTES``; ``FOLDER`` may be empty. It writes ``TAR``,
which its caller reads with the same distrust as an upload: names and links are judged there. Lines on standard output
are remarks for the build log; one that begins with ``refused: `` says why there is no tar.

A process of its own, because what a pack holds in memory is known only when it is there: one object may pretend to be
small and be gigabytes. It has no use for the network and imports of dulwich only what reads packs (0.07 s, 16 MB).
The identity of every object is computed from its content, so what was asked for is what is unpacked.
"""

from __future__ import annotations

import io
import resource
import stat
import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dulwich import objects

MAX_MEMORY_BYTES = 768 * 1024 * 1024
"""A file of 250 MB, the largest that passes, takes some 550 MB on its way; two builds fit a builder of 2 GiB."""
MAX_CPU_SECONDS = 120
MAX_DEPTH = 64
"""Deeper than any path that a source may have."""
REFUSED = 3
"""Exit code after a line that says why."""
TAR_OVERHEAD = 2048
"""Bytes of a tar that one member costs beside its content, at most: two headers and padding."""

Get = Callable[[Any], Any]
"""Returns the object of an id (hex); raises KeyError."""


class Refused(Exception):
    """The repository cannot be a source."""


def main() -> None:
    """Do as the command line says."""
    pack, commit, folder, target, files, size = sys.argv[1:]
    most_files, most_bytes = int(files), int(size)
    _bound(most_bytes + most_files * TAR_OVERHEAD)
    try:
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            for member, content in _walk(*_open(pack, commit, folder), most_files=most_files, most_bytes=most_bytes):
                archive.addfile(member, io.BytesIO(content))
    except Refused as problem:
        _refuse(str(problem))
    except MemoryError:
        _refuse("an object of the repository is too large to be unpacked; take it out of the commit")
    except OSError as problem:
        _refuse(f"the repository cannot be unpacked: {problem.strerror}")


def _bound(most_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.dont_write_bytecode = True


def _open(path: str, commit: str, folder: str) -> tuple[Get, objects.Tree]:
    """Return how to get objects out of the pack at ``path``, and the tree of ``folder`` in ``commit``.

    Raises:
        Refused: the pack is damaged, or has no such commit or folder.
    """
    from dulwich import object_format, objects, pack  # noqa: PLC0415  (only this process needs it)

    try:
        data = pack.PackData(path, object_format=object_format.SHA1)
        data.check()
        get: Get = pack.Pack.from_objects(data, pack.MemoryPackIndex.for_pack(data)).__getitem__
        found = get(commit.encode())
        while isinstance(found, objects.Tag):
            found = get(found.object[1])
        return get, _descend(get, get(found.tree), folder)
    except (MemoryError, Refused):
        raise
    except Exception as problem:  # noqa: BLE001  (dulwich has many, assertions and zlib's too; each means the same)
        raise Refused(
            f"the pack that the server sent is damaged ({type(problem).__name__}: {problem!s:.100})"
        ) from None


def _descend(get: Get, tree: objects.Tree, folder: str) -> objects.Tree:
    """Return the tree of ``folder`` below ``tree``."""
    for part in filter(None, folder.split("/")):
        entries = {entry.path: entry for entry in tree.iteritems()}
        found = entries.get(part.encode())
        if found is None or not stat.S_ISDIR(found.mode):
            there = sorted(name.decode(errors="replace") for name, one in entries.items() if stat.S_ISDIR(one.mode))
            raise Refused(
                f"source.git.path {folder!r}: there is no folder {part!r} in the commit; there are"
                f" {', '.join(map(repr, there[:20])) or 'none'}"
            )
        tree = get(found.sha)
    return tree


def _walk(get: Get, tree: objects.Tree, *, most_files: int, most_bytes: int) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield every entry below ``tree`` with its content.

    A few trees that name each other may mean billions of files: what is counted is what is met.
    """
    met = size = 0
    for path, entry in _entries(get, tree, "", 0):
        met += 1
        if met > most_files:
            raise Refused(f"the source has more than {most_files} files and folders; name a smaller folder by its path")
        member, content = tarfile.TarInfo(path), b""
        if stat.S_ISDIR(entry.mode):
            member.type = tarfile.DIRTYPE
        elif entry.mode & 0o170000 == 0o160000:  # noqa: PLR2004  (a gitlink: a commit of another repository)
            _say(f"submodule {path!a} is left out")
            continue
        else:
            content = _get(get, entry.sha, path).as_raw_string()
            if stat.S_ISLNK(entry.mode):
                member.type, member.linkname, content = tarfile.SYMTYPE, "outside", b""
            elif content.startswith(b"version https://git-lfs.github.com/spec/"):
                _say(f"{path!a} is kept by git LFS, which is not followed: the image has the pointer alone")
        size += len(content)
        if size > most_bytes:
            raise Refused(f"the source unpacks to more than {most_bytes} bytes; name a smaller folder by its path")
        member.size, member.mode = len(content), 0o755 if entry.mode & 0o100 else 0o644
        yield member, content


def _entries(get: Get, tree: objects.Tree, above: str, depth: int) -> Iterator[tuple[str, objects.TreeEntry]]:
    """Yield (path, entry) for all below ``tree``, folders before what is in them."""
    if depth > MAX_DEPTH:
        raise Refused(f"folder {above[:80]!a}... is more than {MAX_DEPTH} deep")
    for entry in tree.iteritems():
        try:
            path = above + entry.path.decode()
        except UnicodeDecodeError:
            raise Refused(f"path {entry.path[:80]!a} is not UTF-8; rename the file") from None
        yield path, entry
        if stat.S_ISDIR(entry.mode):
            yield from _entries(get, _get(get, entry.sha, path), f"{path}/", depth + 1)


def _get(get: Get, identity: bytes, path: str) -> Any:
    try:
        return get(identity)
    except KeyError:
        raise Refused(f"the server left out {path[:80]!a}; try again, or use an archive") from None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _refuse(why: str) -> None:
    _say(f"refused: {why}")
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
