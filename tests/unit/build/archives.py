"""Archives of every sort, made byte by byte where a library would refuse to."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

LINK = "2"
"""Type of a symbolic link."""


def make_tar(*members: tuple[str, bytes | str], form: int = tarfile.PAX_FORMAT, packed: bool = True) -> bytes:
    """Return a tar archive of (path, content); text content is a member type such as ``tarfile.SYMTYPE``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for path, content in members:
            info = tarfile.TarInfo(path)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type = content.encode()
                info.linkname = "/etc/passwd"
                archive.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0) if packed else out.getvalue()


def make_zip(*members: tuple[str, bytes], mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of (path, content), each with the Unix ``mode``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, content in members:
            info = zipfile.ZipInfo(path)
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


def make_overlap_bomb(count: int = 200, size: int = 2_000_000) -> bytes:
    """Return a zip whose entries share one deflated kernel, each quoting the next one's header as stored bytes."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = squeeze.compress(bytes(size)) + squeeze.flush()
    body, directory = bytearray(), bytearray()
    checksum = zlib.crc32(bytes(size))
    for index in range(count):
        name = f"f{index:04}".encode()
        start = len(body)
        body += struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, checksum, len(kernel), size, len(name), 0) + name
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, checksum, len(kernel), size, len(name), 0, 0, 0, 0, 0, start
        ) + name  # fmt: skip
    body += kernel
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory) + end


def make_raw_tar(change: Callable[[bytearray], None], content: bytes = b"x = 1\n") -> bytes:
    """Return a one-file tar whose header was changed by ``change`` and given a right checksum again."""
    data = bytearray(make_tar(("handler.py", content), form=tarfile.USTAR_FORMAT, packed=False))
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def many_files(count: int) -> bytes:
    """Return a tar.gz of ``count`` empty files."""
    return make_tar(*((f"d{i % 50}/f{i}", b"") for i in range(count)), form=tarfile.USTAR_FORMAT)
