"""Deterministic layers: equal files give equal bytes, whoever packs them, wherever and whenever.

What is fixed, and why the digest of the *archive* cannot change: entries are sorted by path; owner is root (0:0),
times are 0; modes are 0644, or 0755 for directories and executables, whatever the umask was; missing parent
directories are added; headers are GNU tar's, which hold long names and UTF-8 without the free-form records of PAX.

What is fixed of the *compression*: the gzip header has no name, no time and the operating system "unknown"; level and
block size are constants of ``deflate``. DEFLATE does not prescribe one encoding, so a different compressor may give
other bytes for the same archive. Stock zlib has kept its output at the lazy-matching levels (4-9) through its
releases, whereas replacements such as zlib-ng differ most at the low levels; within one platform image there is one
zlib. Anything that must survive a change of compressor is keyed by inputs (the fingerprint) or by the diff id, not by
this digest.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from mayfly import errors
from mayfly.image import deflate, digest, layer, media
from mayfly.image import entry as entries

_CHUNK = 1024 * 1024


def make_layer(
    files: Iterable[entries.Entry],
    out: BinaryIO | None = None,
    *,
    created_by: str = "",
    media_type: str = media.OCI_LAYER,
) -> layer.Layer:
    """Pack ``files``, given in any order, into a layer.

    The compressed bytes go to ``out``: an empty file, open for reading and writing, that the caller keeps open while
    the layer lives (``tempfile.TemporaryFile`` suits large layers). ``None`` keeps them in memory. Files are read one
    chunk at a time, so the memory needed does not grow with their size.

    Raises:
        errors.SourceError: two entries collide, or a file's size changed since its entry was made.
    """
    storage: BinaryIO = io.BytesIO() if out is None else out
    blob = digest.HashingWriter(storage)
    with deflate.GzipWriter(blob) as packed:
        archive = digest.HashingWriter(packed)
        _write_archive(entries.complete(files), archive)
        packed.finish()
    storage.flush()
    return layer.Layer(
        media_type=media_type,
        digest=blob.digest,
        diff_id=archive.digest,
        size=blob.size,
        content=make_opener(storage, blob.size),
        created_by=created_by,
    )


def make_opener(storage: BinaryIO, size: int) -> Callable[[], BinaryIO]:
    """Return a function that opens independent read-only views of the first ``size`` bytes of ``storage``."""
    lock = threading.Lock()
    return lambda: io.BufferedReader(_View(storage, size, lock), _CHUNK)


def _write_archive(ordered: Iterable[entries.Entry], archive: digest.HashingWriter) -> None:
    for item in ordered:
        archive.write(_make_header(item))
        if item.kind is entries.Kind.FILE:
            for chunk in _read(item):
                archive.write(chunk)
            archive.write(bytes(-item.size % tarfile.BLOCKSIZE))
    archive.write(bytes(2 * tarfile.BLOCKSIZE))
    archive.write(bytes(-archive.size % tarfile.RECORDSIZE))


def _make_header(item: entries.Entry) -> bytes:
    info = tarfile.TarInfo(item.path)
    info.type = _TYPES[item.kind]
    info.mode = item.mode
    info.size = item.size
    info.linkname = item.target
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


_TYPES = {
    entries.Kind.FILE: tarfile.REGTYPE,
    entries.Kind.DIRECTORY: tarfile.DIRTYPE,
    entries.Kind.SYMLINK: tarfile.SYMTYPE,
}


def _read(item: entries.Entry) -> Iterator[bytes]:
    """Yield exactly ``item.size`` bytes: the header already promised them."""
    with item.open() as source:
        left = item.size
        while left and (chunk := source.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk
        if left or source.read(1):
            raise errors.SourceError(
                f"file {item.path!r} is not {item.size} bytes long any more: it changed while it was packed;"
                " build again when nothing writes to it"
            )


class _View(io.RawIOBase):
    """Read a shared file from an own position; several views may be read at once from several threads."""

    def __init__(self, storage: BinaryIO, size: int, lock: threading.Lock) -> None:
        super().__init__()
        self._storage = storage
        self._size = size
        self._lock = lock
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = min(max(start + offset, 0), self._size)
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        with self._lock:
            self._storage.seek(self._position)
            data = self._storage.read(min(len(buffer), self._size - self._position))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
