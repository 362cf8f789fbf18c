"""Write gzip with several cores, and with the same bytes on any number of them.

The input is cut into blocks of fixed size, and each is compressed with the end of the one before it as dictionary,
as pigz does: independent work, nearly the size of one stream. The blocks, joined, are one member with one
checksum (RFC 1951, RFC 1952), which every reader of gzip takes.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable
from concurrent import futures

from mayfly.image import digest

LEVEL = 6
"""gzip level, of those with stable output (see ``tar``). Packing a large pure-Python package, level 4 took three
quarters of the time and gave a third more bytes, which every node would fetch at a cold start; level 9 took nearly
twice as long for four percent less."""

_BLOCK_BYTES = 1024 * 1024
_WINDOW_BYTES = 32 * 1024
_WORKERS = min(4, os.cpu_count() or 1)
"""Threads, which zlib lets run at once. Their number decides the time, never the bytes."""
_HEADER = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
"""Magic, deflate, no name, no time, no flags, operating system unknown."""


class GzipWriter(io.RawIOBase):
    """Compress what is written and pass it on; ``close`` writes the end and leaves ``out`` open.

    A stream of up to one block is compressed without a thread.
    """

    def __init__(self, out: digest.HashingWriter) -> None:
        super().__init__()
        self._out = out
        self._buffer = bytearray()
        self._window = b""
        self._checksum = 0
        self._size = 0
        self._pool: futures.ThreadPoolExecutor | None = None
        self._pending: deque[futures.Future[bytes]] = deque()
        out.write(_HEADER)

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Take ``data``; it is compressed once a block is full."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) > _BLOCK_BYTES:
            self._submit(bytes(self._buffer[:_BLOCK_BYTES]))
            del self._buffer[:_BLOCK_BYTES]
        return len(data)

    def finish(self) -> None:
        """Write what is left, and the checksum; nothing may be written after it."""
        last = _compress(bytes(self._buffer), self._window, zlib.Z_FINISH)
        self._drain(0)
        self._out.write(last)
        self._out.write(struct.pack("<LL", self._checksum, self._size & 0xFFFFFFFF))

    def close(self) -> None:
        """Stop the threads; what they did not finish is dropped."""
        if self._pool and not self.closed:
            self._pool.shutdown(cancel_futures=True)
        super().close()

    def _submit(self, block: bytes) -> None:
        if self._pool is None:
            self._pool = futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="gzip")
        self._pending.append(self._pool.submit(_compress, block, self._window, zlib.Z_SYNC_FLUSH))
        self._window = block[-_WINDOW_BYTES:]
        self._drain(2 * _WORKERS)

    def _drain(self, most: int) -> None:
        """Write finished blocks in order until at most ``most`` are under way: memory stays bounded."""
        while len(self._pending) > most:
            self._out.write(self._pending.popleft().result())


def _compress(block: bytes, window: bytes, ending: int) -> bytes:
    make: Callable[..., zlib._Compress] = zlib.compressobj
    packer = make(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, **({"zdict": window} if window else {}))
    return packer.compress(block) + packer.flush(ending)
