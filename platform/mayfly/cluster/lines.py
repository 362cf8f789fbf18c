"""Cut a stream of bytes into lines, however long one is.

Pure but for the stream. The HTTP library's own line reader refuses lines beyond its buffer, and one object of a
watch may be larger (etcd takes 1.5 MiB by default).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def split(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    r"""Give each line without its ``\n``; what follows the last one is a line too, unless empty."""
    pending: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*pending, line]) if pending else line
            pending.clear()
        if rest:
            pending.append(rest)
    if pending:
        yield b"".join(pending)
