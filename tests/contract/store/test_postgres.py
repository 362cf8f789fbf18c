"""The PostgreSQL store beside others, and when its server stops, dies or cuts connections."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import secrets
import shutil
import signal
import tempfile

import asyncpg
import pytest
import pytest_asyncio

from mayfly import errors
from mayfly.store import postgres, records
from mayfly.store.pg import schema
from tests.contract.store import server
from tests.contract.store.make import NOW, TERMS, accept_one, claim, claim_one, kill, make_invocation, settle


@pytest_asyncio.fixture
async def open_shared(postgres_server):
    """Open stores that share one schema, as several processes would."""
    name = f"s{secrets.token_hex(6)}"
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(**options):
            opened = await postgres.PostgresStore.open(dsn=postgres_server.dsn, schema_name=name, **options)
            stack.push_async_callback(opened.close)
            return opened

        open_one.schema = name
        yield open_one


@pytest.fixture
def own_server():
    """A server that a test may stop and kill."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-postgres-", dir="/var/tmp"))
    started = server.make(folder)
    yield started
    started.stop()
    shutil.rmtree(folder)


async def retry(call, *, seconds: float = 30):
    """Return what ``call`` returns once the store can be reached."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await call()
            except errors.StoreUnavailable:
                await asyncio.sleep(0.05)


async def until_longer(growing: list, length: int) -> None:
    while len(growing) < length:  # noqa: ASYNC110  (what grows knows of no event)
        await asyncio.sleep(0.01)


async def test_several_dispatchers_share_the_work(open_shared):
    """Each invocation is leased once, and the books of all processes add up."""
    stores = [await open_shared() for _ in range(4)]
    await asyncio.gather(
        *(
            store.accept([make_invocation(function=f"f{number}") for _ in range(25)], now=NOW)
            for store in stores
            for number in range(5)
        )
    )

    async def work(store, worker):
        leases = []
        while taken := await claim(store, worker=worker, limit=20):
            leases += taken
            await asyncio.gather(*(settle(store, lease) for lease in taken))
        return leases

    done = await asyncio.gather(*(work(store, f"w{number}") for number, store in enumerate(stores)))
    claimed = [lease.invocation.id for leases in done for lease in leases]
    assert len(claimed) == len(set(claimed)) == 500
    conservation = await stores[0].conservation()
    assert (conservation.drift, conservation.books) == (0, records.Count(accepted=500, delivered=500))


async def test_a_key_raced_for_by_processes_makes_one(open_shared):
    """However the commits fall."""
    stores = [await open_shared() for _ in range(3)]
    keys = [f"k{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(
            store.accept([make_invocation(dedup_key=key) for key in order], now=NOW)
            for store in stores
            for order in (keys, keys[::-1])
        )
    )
    fresh = [receipt for receipts in answers for receipt in receipts if receipt.verdict is records.Verdict.NEW]
    assert len(fresh) == len({receipt.id for receipts in answers for receipt in receipts}) == len(keys)
    assert (await stores[0].conservation()).drift == 0


async def test_an_accept_wakes_another_process(open_shared):
    """By notification, not by looking again and again."""
    here, there = await open_shared(), await open_shared()
    await accept_one(here)
    async with asyncio.timeout(20):
        while not await there.wait(seconds=0.2):  # until it listens
            await accept_one(here)
        while await there.wait(seconds=0.2):  # until all is heard
            pass
        waiting = asyncio.ensure_future(there.wait(seconds=20))
        await accept_one(here)
        assert await waiting


async def test_processes_that_start_at_once(postgres_server):
    """One of them makes the schema."""
    name = f"s{secrets.token_hex(6)}"
    opening = (postgres.PostgresStore.open(dsn=postgres_server.dsn, schema_name=name) for _ in range(5))
    stores = await asyncio.gather(*opening)
    await accept_one(stores[0])
    assert len(await claim(stores[4])) == 1
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused(open_shared, postgres_server):
    """An old version does not write where a new one has been."""
    await open_shared()
    raw = await asyncpg.connect(postgres_server.dsn)
    await raw.execute(f'insert into "{open_shared.schema}".schema_version values (99)')
    await raw.close()
    with pytest.raises(errors.SchemaTooNew, match=r"version 99.*knows"):
        await open_shared()


@pytest.mark.parametrize("version", range(1, len(schema.STEPS) + 1))
async def test_every_schema_from_the_first_is_brought_up_to_date(open_shared, version, monkeypatch):
    """With what is in it: waiting, leased and dead ones go on."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:version])
        store = await open_shared()
        dead = await kill(store)
        await accept_one(store)
        await claim_one(store)
        await store.close()
    store = await open_shared()
    assert (await store.redrive(namespace="shop", invocation_id=dead, now=NOW)).state is records.State.WAITING
    assert len(await claim(store, now=NOW + 31, default=TERMS)) == 2
    assert (await store.conservation()).drift == 0


async def test_a_stopped_server_is_unavailable_in_time(own_server):
    """No false promise while it hangs; afterwards the same key is one invocation, and work goes on."""
    store = await postgres.PostgresStore.open(dsn=own_server.dsn, timeout_seconds=1)
    first = await accept_one(store)
    unsure = make_invocation(dedup_key="k")
    own_server.signal_all(signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(errors.StoreUnavailable):
                await store.accept([unsure], now=NOW)
            with pytest.raises(errors.StoreUnavailable):
                await store.get(namespace="shop", invocation_id=first)
    finally:
        own_server.signal_all(signal.SIGCONT)
    (receipt,) = await retry(lambda: store.accept([make_invocation(dedup_key="k")], now=NOW))
    leases = await retry(lambda: claim(store))
    assert {lease.invocation.id for lease in leases} == {first, receipt.id}
    assert (await store.conservation()).drift == 0
    await store.close()


async def test_i1_a_killed_server_loses_no_promise(own_server):
    """I1: killed and started again under load; all that was promised is there, and the store connects again."""
    store = await postgres.PostgresStore.open(dsn=own_server.dsn, timeout_seconds=5)
    promised, ending = [], asyncio.Event()

    async def send():
        while not ending.is_set():
            try:
                promised.append(await accept_one(store))
            except errors.StoreUnavailable:
                await asyncio.sleep(0.02)

    async with asyncio.timeout(40):
        senders = [asyncio.create_task(send()) for _ in range(8)]
        for _ in range(2):
            await until_longer(promised, len(promised) + 200)
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        await until_longer(promised, len(promised) + 50)
        ending.set()
        await asyncio.gather(*senders)
    page = await retry(lambda: store.list(namespace="shop", limit=1_000_000))
    assert set(promised) <= {item.id for item in page.items}
    assert (await store.conservation()).drift == 0
    await store.close()


async def test_a_server_that_is_not_there():
    """Said at opening, without the password."""
    dsn = f"postgresql://mayfly:geheim@127.0.0.1:{server.find_port()}/postgres"
    with pytest.raises(errors.StoreUnavailable) as caught:
        await postgres.PostgresStore.open(dsn=dsn, timeout_seconds=5)
    assert "geheim" not in str(caught.value)
