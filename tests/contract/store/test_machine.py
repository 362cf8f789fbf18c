"""Any sequence of calls, against a model that is too simple to be wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import secrets
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mayfly.store import ids, postgres, records, sqlite
from tests.contract.store.make import NOW, make_invocation, make_try

S = records.State
QUEUES = (("a", "f"), ("a", "g"), ("b", "f"))
LEASE_SECONDS = 10
SETTINGS = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclasses.dataclass
class Model:
    """What one invocation should be like."""

    queue: records.Queue
    due: float
    state: S = S.WAITING
    epoch: int = 0
    attempts: int = 0
    tries: int = 0
    until: float = 0
    settled: float = 0
    key: str | None = None


class Machine(RuleBasedStateMachine):
    """Calls in any order, time only forward; subclasses say which store."""

    open_store = staticmethod(lambda: None)
    crash_store = None

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = NOW
        self.model: dict[str, Model] = {}
        self.leases: list[records.Lease] = []
        self.made = 0
        self.accepted = 0
        self.purged = 0

    def make_id(self):
        """The same in every run, since ties are broken by id."""
        self.made += 1
        return ids.make_id(self.now, self.made.to_bytes(ids.RANDOM_BYTES))

    def run(self, call):
        return self.loop.run_until_complete(call)

    @initialize()
    def begin(self):
        self.store = self.run(self.open_store())

    def teardown(self):
        if hasattr(self, "store"):
            self.run(self.store.close())
        self.loop.close()

    @rule(seconds=st.sampled_from([0.5, 3, 11]))
    def pass_time(self, seconds):
        self.now += seconds

    @rule(
        queues=st.lists(st.sampled_from(QUEUES), min_size=1, max_size=3),
        delay=st.sampled_from([0, 2]),
        key=st.sampled_from([None, None, "k1", "k2"]),
    )
    def accept(self, queues, delay, key):
        message = records.Message(body=b"x")
        batch = [
            make_invocation(
                id=self.make_id(),
                now=self.now,
                namespace=namespace,
                function=function,
                message=message,
                due=self.now + delay,
                dedup_key=key,
            )
            for namespace, function in queues
        ]
        receipts = self.run(self.store.accept(batch, now=self.now))
        for one, receipt in zip(batch, receipts, strict=True):
            queue = (one.namespace, one.function)
            known = [
                identity for identity, kept in self.model.items() if key and (kept.queue, kept.key) == (queue, key)
            ]
            assert receipt == (
                records.Receipt(records.Verdict.DUPLICATE, known[0])
                if known
                else records.Receipt(records.Verdict.NEW, one.id)
            )
            if not known:
                self.model[one.id] = Model(queue, one.due, key=key)
                self.accepted += 1

    @rule(limit=st.integers(1, 6), capacity=st.integers(0, 3))
    def claim(self, limit, capacity):
        leases = self.run(
            self.store.claim(worker="w", now=self.now, limit=limit, default=records.Terms(capacity, LEASE_SECONDS))
        )
        for kept in self.model.values():
            if kept.state is S.LEASED and kept.until <= self.now:
                self._attempt(kept, S.WAITING)
        due = [kept for kept in self.model.values() if kept.state is S.WAITING and kept.due <= self.now]
        expected = {queue: min(capacity, sum(kept.queue == queue for kept in due)) for queue in QUEUES}
        assert len(leases) == min(limit, sum(expected.values()))
        for lease in leases:
            kept = self.model[lease.invocation.id]
            assert kept in due
            assert lease.epoch == lease.invocation.epoch == kept.epoch + 1
            kept.state, kept.epoch, kept.until = S.LEASED, lease.epoch, self.now + LEASE_SECONDS
            expected[kept.queue] -= 1
        assert min(expected.values()) >= 0
        self.leases += leases

    @precondition(lambda self: self.leases)
    @rule()
    def stall(self):
        """Whoever holds a lease sleeps so long that others take over: what it says next is stale."""
        self.pass_time(LEASE_SECONDS + 1)
        self.claim(limit=6, capacity=3)

    @staticmethod
    def _attempt(kept, state):
        kept.state = state
        kept.attempts += 1
        kept.tries += 1

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "retry", "dead"]), follow=st.booleans())
    def settle(self, data, outcome, follow):
        """Any lease ever held: most of them are stale."""
        lease = data.draw(st.sampled_from(self.leases))
        outcomes = {
            "delivered": records.Delivered(records.Result(200, (), b"ok")),
            "retry": records.Retry(self.now + 2),
            "dead": records.Dead("Because", "of this"),
        }
        follow_ups = [make_invocation(id=self.make_id(), now=self.now, namespace="b", function="f")] if follow else []
        settled = self.run(
            self.store.settle(
                invocation_id=lease.invocation.id,
                epoch=lease.epoch,
                outcome=outcomes[outcome],
                attempt=make_try(),
                now=self.now,
                follow_ups=follow_ups,
            )
        )
        kept = self.model.get(lease.invocation.id)
        assert settled.current == self._is_current(lease)
        if not settled.current:
            return
        self._attempt(kept, {"delivered": S.DELIVERED, "retry": S.WAITING, "dead": S.DEAD}[outcome])
        kept.settled = self.now
        if outcome == "retry":
            kept.due = self.now + 2
        for one in follow_ups:
            self.model[one.id] = Model(("b", "f"), self.now)
            self.accepted += 1

    def _is_current(self, lease):
        kept = self.model.get(lease.invocation.id)
        return kept is not None and kept.state is S.LEASED and kept.epoch == lease.epoch

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def extend(self, data):
        lease = data.draw(st.sampled_from(self.leases))
        until = self.now + LEASE_SECONDS
        current = self.run(self.store.extend(invocation_id=lease.invocation.id, epoch=lease.epoch, until=until))
        assert current == self._is_current(lease)
        if current:
            self.model[lease.invocation.id].until = until

    @rule()
    def lapse(self):
        held = [kept for kept in self.model.values() if kept.state is S.LEASED]
        assert self.run(self.store.lapse(worker="w", now=self.now)) == len(held)
        for kept in held:
            self._attempt(kept, S.WAITING)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def cancel(self, data):
        identity = data.draw(st.sampled_from(sorted(self.model)))
        kept = self.model[identity]
        found = self.run(self.store.cancel(namespace=kept.queue[0], invocation_id=identity, now=self.now))
        if kept.state is S.LEASED:
            self._attempt(kept, S.CANCELLED)
            kept.settled = self.now
        elif kept.state is S.WAITING:
            kept.state, kept.settled = S.CANCELLED, self.now
        self._compare(found)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def redrive(self, data):
        identity = data.draw(st.sampled_from(sorted(self.model)))
        kept = self.model[identity]
        found = self.run(self.store.redrive(namespace=kept.queue[0], invocation_id=identity, now=self.now))
        if kept.state is S.DEAD:
            kept.state, kept.due, kept.tries = S.WAITING, self.now, 0
        self._compare(found)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def replay(self, data):
        identity = data.draw(st.sampled_from(sorted(self.model)))
        kept, new = self.model[identity], self.make_id()
        found = self.run(self.store.replay(namespace=kept.queue[0], invocation_id=identity, new_id=new, now=self.now))
        if kept.state in records.SETTLED:
            self.model[new] = Model(kept.queue, self.now)
            self.accepted += 1
        self._compare(found)

    @rule(age=st.sampled_from([0, 5]), limit=st.integers(1, 3))
    def purge(self, age, limit):
        before = self.now - age
        old = {
            identity: kept
            for identity, kept in self.model.items()
            if kept.state in records.SETTLED and kept.settled < before
        }
        number = self.run(self.store.purge(settled_before=before, limit=limit))
        assert number == min(limit, len(old))
        for identity, kept in old.items():
            if self.run(self.store.get(namespace=kept.queue[0], invocation_id=identity)) is None:
                del self.model[identity]
                self.purged += 1

    @rule()
    def crash(self):
        """Open the store anew on what is on the disk."""
        self.store = self.run(self.crash_store())

    @invariant()
    def conserves(self):
        """I5, and every row as the model has it."""
        if not hasattr(self, "store"):
            return
        conservation = self.run(self.store.conservation())
        assert conservation.drift == 0
        assert (conservation.books.accepted, conservation.books.purged) == (self.accepted, self.purged)
        pages = [self.run(self.store.list(namespace=namespace, limit=10_000)).items for namespace in "ab"]
        assert len(pages[0]) + len(pages[1]) == len(self.model)
        for item in (*pages[0], *pages[1]):
            self._compare(item)

    @invariant()
    def knows_what_is_next(self):
        if not hasattr(self, "store"):
            return
        instants = [kept.due for kept in self.model.values() if kept.state is S.WAITING]
        instants += [kept.until for kept in self.model.values() if kept.state is S.LEASED]
        assert self.run(self.store.next_due()) == min(instants, default=None)

    def _compare(self, item):
        kept = self.model[item.id]
        assert (item.state, item.epoch, item.attempts, item.tries) == (
            kept.state,
            kept.epoch,
            kept.attempts,
            kept.tries,
        )


@pytest.fixture
def folder():
    made = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-machine-"))
    yield made
    shutil.rmtree(made)


def test_any_sequence_on_sqlite(folder):
    """A crash is the files as they are on the disk at that moment, opened by another process's store."""

    class OnSqlite(Machine):
        async def open_store(self):
            self.path = folder / secrets.token_hex(8) / "s.db"
            self.path.parent.mkdir()
            return await sqlite.SqliteStore.open(path=self.path)

        async def crash_store(self):
            left = folder / secrets.token_hex(8)
            shutil.copytree(self.path.parent, left)
            await self.store.close()
            self.path = left / "s.db"
            return await sqlite.SqliteStore.open(path=self.path)

    run_state_machine_as_test(OnSqlite, settings=SETTINGS)


def test_any_sequence_on_postgres(postgres_server):
    """A crash is another process that takes over."""

    class OnPostgres(Machine):
        async def open_store(self):
            self.schema = f"s{secrets.token_hex(6)}"
            return await postgres.PostgresStore.open(dsn=postgres_server.dsn, schema_name=self.schema)

        async def crash_store(self):
            opened = await postgres.PostgresStore.open(dsn=postgres_server.dsn, schema_name=self.schema)
            await self.store.close()
            return opened

    run_state_machine_as_test(OnPostgres, settings=settings(SETTINGS, max_examples=8))
