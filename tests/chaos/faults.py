"""What is broken, one function each; every one leaves the ledger of its events."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import pathlib
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from tests.chaos import ledger, receiver, stage
from tests.contract.store import server as postgres

EVENTS = 5000
RATE = 250.0
KILLS = 20
UP_SECONDS = 2.0
"""Between two kills, so that 20 of them fall among some ten thousand events."""
WITHOUT_END = 1_000_000
PAUSE_SECONDS = 10.0
DISK_BYTES = 32 * 1024 * 1024

Fault = Callable[[stage.Stage], Awaitable[ledger.Ledger]]


async def fails_at_times(_function: str, times: int) -> int:
    """Answer 500 to one event in twenty when it comes first."""
    fails_at_times.calls += 1  # type: ignore[attr-defined]
    return 500 if times == 1 and fails_at_times.calls % 20 == 0 else 200  # type: ignore[attr-defined]


fails_at_times.calls = 0  # type: ignore[attr-defined]


async def kill_process(where: stage.Stage) -> ledger.Ledger:
    """SIGKILL the eventing process again and again, with what it holds on SQLite."""
    return await _kill_under_load(where, lambda: _restart(where))


async def kill_process_of_postgres(where: stage.Stage) -> ledger.Ledger:
    """SIGKILL the eventing process again and again, with what it holds on PostgreSQL."""
    _make_database(where)
    return await _kill_under_load(where, lambda: _restart(where))


async def kill_database(where: stage.Stage) -> ledger.Ledger:
    """End PostgreSQL again and again as a crash does; the process stays."""
    database = _make_database(where)

    async def crash() -> None:
        await asyncio.to_thread(database.kill)
        await asyncio.to_thread(database.start)

    return await _kill_under_load(where, crash)


async def stop_database(where: stage.Stage) -> ledger.Ledger:
    """Freeze PostgreSQL for a while under load, then let it go on."""
    database = _make_database(where)
    async with _load(where, events=EVENTS // 2) as sender:
        await asyncio.sleep(2)
        database.signal_all(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        database.signal_all(signal.SIGCONT)
    return await where.settle(sender.promised)


async def fill_disk(where: stage.Stage) -> ledger.Ledger:
    """Fill the store's disk under load, then make room."""
    with _small_disk(where.folder / "db"):
        async with _load(where, events=EVENTS) as sender:
            await asyncio.sleep(2)
            filler = where.folder / "db" / "filler"
            with contextlib.suppress(OSError), filler.open("wb") as file:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            await asyncio.sleep(PAUSE_SECONDS)
            filler.unlink()
        assert sender.refused, "the disk was never full"
        found = await where.settle(sender.promised)
        where.kill()
        return found


async def hang_function(where: stage.Stage) -> ledger.Ledger:
    """Let a function hang while another one of the same namespace takes the same events."""

    async def behave(function: str, times: int) -> int:
        return await receiver.hang(function, times) if function == "stuck" else 200

    where.receiver.behave = behave
    await where.make_function("stuck", timeout="1s", delivery={"retries": 0, "maxAge": "60s"})
    async with _load(where, events=200) as sender:
        pass
    await stage.wait_for(lambda: _has(where, set(sender.promised)), 60, "the other function got everything")
    where.kill()  # The ledger asks what the healthy function got: the stuck one's attempts end after its limits.
    came = collections.Counter({name: 1 for name in sender.promised if where.receiver.answered[name]})
    return ledger.close(sender.promised, came, (), drift=0)


async def fail_always(where: stage.Stage) -> ledger.Ledger:
    """Let the function fail for ever: everything is dead-lettered once, for the true reason."""

    async def behave(_function: str, _times: int) -> int:
        return 500

    where.receiver.behave = behave
    async with _load(
        where, events=500, delivery={"retries": 2, "backoff": {"initial": "100ms", "max": "1s"}}
    ) as sender:
        pass
    return await where.settle(sender.promised)


async def crash_everything(where: stage.Stage) -> ledger.Ledger:
    """SIGKILL the process and PostgreSQL at the same moment, a few times."""
    database = _make_database(where)

    async def crash() -> None:
        where.kill()
        await asyncio.to_thread(database.kill)
        await asyncio.to_thread(database.start)
        where.start()
        await where.ready()

    return await _kill_under_load(where, crash, kills=5)


ALL: dict[str, Fault] = {
    "kill-process": kill_process,
    "kill-process-postgres": kill_process_of_postgres,
    "kill-database": kill_database,
    "crash-everything": crash_everything,
    "stop-database": stop_database,
    "fill-disk": fill_disk,
    "hang-function": hang_function,
    "fail-always": fail_always,
}


async def _kill_under_load(
    where: stage.Stage, crash: Callable[[], Awaitable[None]], *, kills: int = KILLS
) -> ledger.Ledger:
    """Crash ``kills`` times while events come in."""
    where.receiver.behave = fails_at_times
    async with _load(where, events=WITHOUT_END) as sender:
        for _ in range(kills):
            await asyncio.sleep(UP_SECONDS)
            await crash()
        await asyncio.sleep(UP_SECONDS)
        sender.stopped = True
    return await where.settle(sender.promised)


async def _has(where: stage.Stage, wanted: set[str]) -> bool:
    return all(where.receiver.answered[name] for name in wanted)


async def _restart(where: stage.Stage) -> None:
    where.kill()
    where.start()
    await where.ready()


@contextlib.asynccontextmanager
async def _load(where: stage.Stage, *, events: int, **spec: object) -> AsyncIterator[stage.sender.Sender]:
    """Start everything and send ``events`` in the background; waits for the last promise at the end."""
    await where.make_function(**({"delivery": {"backoff": {"initial": "200ms", "max": "2s"}}} | spec))  # type: ignore[arg-type]
    where.start()
    await where.ready()
    sender = where.sender(rate=RATE)
    sending = asyncio.create_task(sender.run(most=events))
    try:
        yield sender
        await sending
    finally:
        sender.stopped = True
        sending.cancel()


def _make_database(where: stage.Stage) -> postgres.Server:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postgres-", dir=where.folder))
    where.folder.chmod(0o755)
    where.database = postgres.make(folder)
    return where.database


@contextlib.contextmanager
def _small_disk(folder: pathlib.Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        # Lazily: a process that a failed test left behind may still hold a file there.
        subprocess.run(["umount", "--lazy", folder], check=True)
