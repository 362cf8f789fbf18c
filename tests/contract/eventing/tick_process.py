"""A leader in a process of its own that is killed at the worst moment.

Usage: tick_process.py DATABASE. It makes the ticks of one Function, and the kernel ends it right after the store took
the first one, before anything else could remember that.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys

from mayfly.eventing import metrics
from mayfly.eventing.clock import ticking
from mayfly.store import sqlite
from tests.contract.eventing import clock


class Deadly(sqlite.SqliteStore):
    """The real store; whoever stores something is dead when it would return."""

    async def accept(self, batch, *, now):
        await super().accept(batch, now=now)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


async def main(path):
    store = await Deadly.open(path=pathlib.Path(path))
    one = ticking.Ticking(
        known=clock.make_known(clock.make_function("mail", "*/10 * * * *")),
        store=store,
        figures=metrics.Figures(),
        clock=clock.Clock(clock.at("2026-11-21T10:10:00.010")),
    )
    one.follow()
    one.begin(clock.at("2026-11-21T10:09"))
    await one.round()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
