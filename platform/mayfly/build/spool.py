"""Files of an unpacked source, kept in one unnamed temporary file.

No name that comes from an archive ever becomes a name on disk, so there is nothing to climb out of, link through or
overwrite. The file vanishes when the spool is closed or the process dies.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self


class Spool(Mapping[str, bytes]):
    """A mapping path -> content that reads each value when it is asked for."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  (closed by close)
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self.executable: set[str] = set()

    def add(self, path: str, chunks: Iterator[bytes]) -> int:
        """Store the file ``path`` from ``chunks`` and return its size in bytes."""
        start = self._end
        for chunk in chunks:
            self._file.write(chunk)
            self._end += len(chunk)
        self._places[path] = (start, self._end - start)
        return self._end - start

    def __getitem__(self, path: str) -> bytes:
        start, size = self._places[path]
        parts = []
        while size and (part := os.pread(self._file.fileno(), size, start)):
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return b"".join(parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def size(self, path: str) -> int:
        """Return the size of ``path`` in bytes, without reading it."""
        return self._places[path][1]

    def open(self, path: str) -> BinaryIO:
        """Return the content of ``path`` as a file."""
        return io.BytesIO(self[path])

    def close(self) -> None:
        """Give the space back; the mapping cannot be read any more."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
