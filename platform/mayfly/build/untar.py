"""Read a tar archive as a stream of regular files.

A reader of our own, because the standard library's has had holes in exactly this use (CVE-2025-4517 and others escape
its filters, CVE-2025-8194 hangs it) and understands far more than a source needs. Format: POSIX ustar and pax
(https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), GNU long names and base-256 numbers
(https://www.gnu.org/software/tar/manual/html_node/Standard.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mayfly import errors

BLOCK = 512
CHUNK = 256 * 1024
_MAX_HEADER = 64 * 1024
"""Largest pax or long-name record, bytes."""

_FILE = (b"0", b"\0")
_DIRECTORY = b"5"
_RECORDS = (b"x", b"g", b"L", b"K")
"""Headers about the next member (or all of them): pax, pax global, GNU long name, GNU long link."""
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


@dataclass
class Member:
    """One entry: ``kind`` is None for a file, ``directory``, or what makes it unwelcome; read ``content`` at once."""

    path: str
    kind: str | None
    executable: bool = False
    content: Iterator[bytes] = field(default_factory=lambda: iter(()))


def read_tar(read: Callable[[int], bytes], *, on_member: Callable[[], None]) -> Iterator[Member]:
    """Yield the members of the archive that ``read(count)`` delivers; ``on_member`` is called for every header.

    Raises:
        SourceError: the archive is damaged or cut off.
    """
    stream = _Stream(read)
    extra: dict[str, str] = {}
    while (header := stream.block()).strip(b"\0"):
        on_member()
        _check_sum(header)
        kind, size = header[156:157], _number(header[124:136])
        if kind in _RECORDS:
            record = stream.record(size)
            if kind == b"x":
                extra |= _parse_pax(record)
            elif kind == b"L":
                extra["path"] = _text(record.rstrip(b"\0"))
            continue
        yield from _member(stream, header, extra)
        extra = {}


def _member(stream: _Stream, header: bytes, extra: dict[str, str]) -> Iterator[Member]:
    """Yield the member of ``header`` and skip what its consumer did not read."""
    kind = header[156:157]
    path = extra.get("path") or _path(header)
    size = _decimal(extra["size"]) if "size" in extra else _number(header[124:136])
    if any(key.startswith("GNU.sparse") for key in extra):
        kind = b"S"
    if kind in _FILE and not path.endswith("/"):
        content = stream.content(size)
        yield Member(path, None, bool(_number(header[100:108]) & 0o100), content)
        for _ in content:
            pass
    elif kind == _DIRECTORY or kind in _FILE:
        yield Member(path, "directory")
        for _ in stream.content(size):
            pass
    else:
        yield Member(path, _KINDS.get(kind, f"an entry of type {kind.decode('latin-1')!a}"))
        for _ in stream.content(size if kind == b"S" else 0):
            pass


class _Stream:
    """Blocks and contents of an archive, read strictly forwards."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = self._read(count)
            if not part:
                raise errors.SourceError("the archive is cut off: it ends before its end mark; pack or upload it again")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def block(self) -> bytes:
        return self._exactly(BLOCK)

    def record(self, size: int) -> bytes:
        """Return the payload of a pax or long-name header."""
        if size > _MAX_HEADER:
            raise errors.SourceError(f"the archive has a header of {size} bytes; {_MAX_HEADER} are allowed")
        data = self._exactly(size)
        self._exactly(-size % BLOCK)
        return data

    def content(self, size: int) -> Iterator[bytes]:
        """Yield ``size`` bytes in chunks, then skip the padding."""
        left = size
        while left:
            chunk = self._exactly(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        self._exactly(-size % BLOCK)


def _check_sum(header: bytes) -> None:
    """Refuse a header whose checksum is wrong: what follows cannot be trusted to be one."""
    expected = _number(header[148:156])
    if expected != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise errors.SourceError("the archive is damaged: a header's checksum is wrong; pack or upload it again")


def _number(data: bytes) -> int:
    """Return an octal or base-256 number of a header field."""
    if data[0] == 0x80:  # noqa: PLR2004  (GNU's mark of a positive base-256 number)
        return int.from_bytes(data[1:], "big")
    try:
        return int(data.strip(b" \0") or b"0", 8) if data[0] < 0x80 else _bad_number()  # noqa: PLR2004
    except ValueError:
        return _bad_number()


def _bad_number() -> int:
    raise errors.SourceError("the archive is damaged: a number in a header is not octal; pack or upload it again")


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):  # noqa: PLR2004  (beyond 2**63)
        raise errors.SourceError(f"the archive is damaged: a pax header says size {text[:20]!r}")
    return int(text)


def _path(header: bytes) -> str:
    name, prefix = header[:100].split(b"\0")[0], header[345:500].split(b"\0")[0]
    if header[257:263] == b"ustar\0" and prefix:
        return _text(prefix + b"/" + name)
    return _text(name)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise errors.SourceError(f"path {data[:80]!a} is not UTF-8; rename the file") from error


def _parse_pax(data: bytes) -> dict[str, str]:
    """Return the records of a pax header: ``LENGTH KEY=VALUE`` and a line feed each, the length counting all of it."""
    found: dict[str, str] = {}
    while data:
        digits, blank, _ = data[:12].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[len(digits) + 1 : length - 1]
        key, equals, value = record.partition(b"=")
        if not blank or length > len(data) or data[length - 1 : length] != b"\n" or not equals or not key:
            raise errors.SourceError("the archive is damaged: a pax header cannot be read; pack or upload it again")
        found[_text(key)] = _text(value)
        data = data[length:]
    return found
