"""Read a zip archive as a sequence of regular files.

A reader of our own: entries must not share bytes (the overlap bomb of CVE-2024-0450 yields 963 MB from 14 KB), sizes
and checksums are those of the bytes produced, and nothing but stored and deflated plain files is understood.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from mayfly import errors
from mayfly.build import untar

CHUNK = 256 * 1024
_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65535
_ZIP64 = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 0x1, 0x800


@dataclass(frozen=True)
class _Entry:
    """What the central directory says of one member; ``start`` is the offset of its local header."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    mode: int
    start: int


def read_zip(
    archive: BinaryIO, size: int, *, on_member: Callable[[], None], on_bytes: Callable[[int], None]
) -> Iterator[untar.Member]:
    """Yield the members of ``archive`` (``size`` bytes long).

    ``on_member`` is called for each entry before it is looked at, ``on_bytes`` for each chunk it yields.

    Raises:
        SourceError: the archive is damaged, or of a kind that no source needs.
    """
    count, directory_size, directory = _read_end(archive, size)
    archive.seek(directory)
    entries = list(_read_directory(archive.read(directory_size), count, on_member))
    places = [_locate(archive, entry, directory) for entry in entries]
    _check_overlap(entries, places)
    for entry, place in zip(entries, places, strict=True):
        kind = _kind(entry)
        content = _inflate(archive, entry, place, on_bytes) if kind is None else iter(())
        yield untar.Member(_name(entry), kind, bool(entry.mode & 0o100), content)


def _read_end(archive: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return (number of entries, size, offset) of the central directory."""
    archive.seek(max(size - _END.size - _MAX_COMMENT, 0))
    tail = archive.read(_END.size + _MAX_COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        _damaged("it has no end record")
    _, disk, first, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        _damaged("bytes follow its end record")
    if disk or first or here != count:
        _damaged("it is one of several parts")
    if _ZIP64 in {length, offset} or count == 0xFFFF:  # noqa: PLR2004  (zip64 marks)
        raise errors.SourceError("the archive is zip64; pack it as tar.gz, or with a tool that writes plain zip")
    if offset + length > size - (len(tail) - at):
        _damaged("its directory lies outside")
    return count, length, offset


def _read_directory(data: bytes, count: int, on_member: Callable[[], None]) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        on_member()
        if len(data) - at < _CENTRAL.size or data[at : at + 4] != b"PK\x01\x02":
            _damaged("its directory is cut off")
        (_, _, _, flags, method, _, _, checksum, packed, size, name, extra, comment, disk, _, attributes, start) = (
            _CENTRAL.unpack_from(data, at)
        )
        if disk or _ZIP64 in {packed, size, start}:
            _damaged("an entry is zip64 or in another part")
        text = data[at + _CENTRAL.size : at + _CENTRAL.size + name]
        yield _Entry(text, flags, method, checksum, packed, size, attributes >> 16, start)
        at += _CENTRAL.size + name + extra + comment


def _locate(archive: BinaryIO, entry: _Entry, limit: int) -> int:
    """Return the offset of the content of ``entry``, whose local header must agree with the directory."""
    archive.seek(entry.start)
    header = archive.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        _damaged("an entry's header is not where the directory says")
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    if archive.read(name) != entry.name:
        _damaged("an entry has another name in the directory than at its place")
    place = entry.start + _LOCAL.size + name + extra
    if place + entry.packed > limit:
        _damaged("an entry's content lies outside")
    return place


def _check_overlap(entries: list[_Entry], places: list[int]) -> None:
    """Refuse entries that share bytes."""
    end = 0
    for start, stop in sorted((e.start, place + e.packed) for e, place in zip(entries, places, strict=True)):
        if start < end:
            raise errors.SourceError("the archive's entries overlap, as only an archive bomb's do; pack it again")
        end = stop


def _kind(entry: _Entry) -> str | None:
    """Return None for a plain file, ``directory``, or what makes the entry unwelcome."""
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if entry.name.endswith(b"/"):
        return "directory"
    if kind not in {0, stat.S_IFREG}:
        return "a device or pipe"
    if entry.flags & _ENCRYPTED:
        return "encrypted"
    return None if entry.method in {_STORED, _DEFLATED} else f"compressed by method {entry.method}"


def _name(entry: _Entry) -> str:
    try:
        return entry.name.decode("utf-8" if entry.flags & _UTF8 or not entry.name.isascii() else "ascii")
    except UnicodeDecodeError as error:
        raise errors.SourceError(f"path {entry.name[:80]!a} is not UTF-8; rename the file") from error


def _inflate(archive: BinaryIO, entry: _Entry, place: int, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the content of ``entry`` in chunks and hold it to its size and checksum."""
    produced, checksum = 0, 0
    for chunk in _chunks(archive, entry, place):
        on_bytes(len(chunk))
        produced += len(chunk)
        checksum = zlib.crc32(chunk, checksum)
        if produced > entry.size:
            break
        yield chunk
    if (produced, checksum) != (entry.size, entry.checksum):
        _damaged(f"{entry.name.decode('utf-8', 'replace')!a} has another size or checksum than it says")


def _chunks(archive: BinaryIO, entry: _Entry, place: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
    at, stop, waiting = place, place + entry.packed, b""
    while at < stop or waiting:
        if not waiting:
            archive.seek(at)
            waiting = archive.read(min(CHUNK, stop - at))
            at += len(waiting)
        if inflate is None:
            yield waiting
            waiting = b""
            continue
        try:
            chunk = inflate.decompress(waiting, CHUNK)
        except zlib.error as error:
            raise errors.SourceError(f"the archive is damaged: {error}; pack or upload it again") from error
        waiting = inflate.unconsumed_tail
        yield chunk
        if inflate.eof:
            return
    if inflate is not None:
        yield inflate.flush()


def _damaged(why: str) -> NoReturn:
    raise errors.SourceError(f"the archive is damaged: {why}; pack or upload it again")
