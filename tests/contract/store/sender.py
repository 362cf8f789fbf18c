"""A process that accepts without end and tells each id once it is promised: ``python -m ... PATH [CALLERS] [SYNC]``.

Each line is one ``write`` of its own, so that whoever watches the process sees the order of syncs and promises.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
import time

from mayfly.store import ids, records, sqlite
from mayfly.store.lite import connection

MESSAGE = records.Message(body=b"x" * 1024)


async def send(store: sqlite.SqliteStore, most: int) -> None:
    for _ in range(most):
        now = time.time()
        one = records.NewInvocation(ids.make_id(now), "shop", "mail", MESSAGE, now)
        await store.accept([one], now=now)
        os.write(1, f"{one.id}\n".encode())


async def main(path: str, callers: str = "8", most: str = "1000000", sync: str = "full") -> None:
    connection._WRITER = (*connection._WRITER, f"pragma synchronous = {sync}")
    store = await sqlite.SqliteStore.open(path=pathlib.Path(path))
    await asyncio.gather(*(send(store, int(most)) for _ in range(int(callers))))
    os.write(1, b"end\n")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
