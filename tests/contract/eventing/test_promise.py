"""I1: 202 is answered after the commit or not at all, whatever the store stands on does meanwhile."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import pathlib
import shutil
import signal
import sqlite3
import tempfile

import pytest

from mayfly.store import postgres
from tests.contract.eventing import world as worlds
from tests.contract.store import server
from tests.unit.events import cases

WANTS = {"source": "/shop/orders"}


@pytest.fixture
def senders():
    """Threads that send at the same time."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        yield pool


def post(world, namespace, identity):
    return world.post_event(namespace, cases.make_binary(id=identity), b"x" * 1024)


def check(world, namespace, answers):
    """Assert that exactly what was answered 202 is there."""
    promised = {one["id"] for answer in answers if answer.status == 202 for one in answer.document["deliveries"]}
    stored = {one.id for one in world.run(world.store.list(namespace=namespace, limit=10_000)).items}
    assert stored == promised
    assert world.count(namespace) == len(promised)


def check_put_off(answer):
    assert (answer.status, answer.reason, answer.headers["retry-after"]) == (503, "StoreUnavailable", "2")


def test_nothing_is_promised_while_the_database_cannot_commit(open_world, tmp_path, senders):
    """While another holds the file no answer comes; when it lets go, both event and call are stored, then answered."""
    world = open_world()
    namespace = world.make_namespace(WANTS)
    with contextlib.closing(sqlite3.connect(tmp_path / "invocations.db", isolation_level=None)) as holder:
        holder.execute("begin immediate")
        sent = [senders.submit(post, world, namespace, "1"), senders.submit(world.call, namespace, "f0")]
        done, _ = concurrent.futures.wait(sent, timeout=0.5)
        assert not done
        assert world.count() == 0
        holder.execute("rollback")
    event, call = (one.result(worlds.BUSY) for one in sent)
    assert (event.status, call.status) == (202, 202)
    promised = {event.document["deliveries"][0]["id"], call.document["id"]}
    assert {one.id for one in world.run(world.store.list(namespace=namespace)).items} == promised


def test_a_full_disk_promises_nothing(open_world, senders):
    """SQLite's own limit stands for the disk's: what was answered 202 before is there, and afterwards it goes on."""
    world = open_world()
    namespace = world.make_namespace(WANTS)
    connection = world.store._writer._unit.connection
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages + 100}")
    answers = list(senders.map(lambda number: post(world, namespace, str(number)), range(400)))
    refused = [answer for answer in answers if answer.status != 202]
    assert 0 < len(refused) < 400
    for answer in refused:
        check_put_off(answer)
    check(world, namespace, answers)
    world.store._writer._unit.connection.execute(f"pragma max_page_count = {pages + 10_000}")
    answers.append(post(world, namespace, "after"))
    assert answers[-1].status == 202
    check(world, namespace, answers)


def test_a_closed_store_promises_nothing(open_world):
    world = open_world()
    namespace = world.make_namespace(WANTS)
    world.run(world.store.close())
    check_put_off(post(world, namespace, "1"))
    check_put_off(world.call(namespace, "f0"))
    check_put_off(world.call(namespace, "f0", [("idempotency-key", "k")]))


@pytest.fixture
def own_server():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-postgres-", dir="/var/tmp"))
    started = server.make(folder)
    yield started
    started.stop()
    shutil.rmtree(folder)


def test_a_database_server_that_stops_or_dies_takes_no_promise_with_it(cluster_env, own_server, senders):
    """Stopped: no answer. Killed: 503, or a 202 that is true. Back again: 202, and the ledger holds."""
    opening = functools.partial(postgres.PostgresStore.open, dsn=own_server.dsn, timeout_seconds=5)
    with worlds.serve(opening, cluster_env["KUBECONFIG"]) as world:
        namespace = world.make_namespace(WANTS)
        answers = [post(world, namespace, "before")]
        own_server.signal_all(signal.SIGSTOP)
        try:
            sent = [senders.submit(post, world, namespace, f"stopped {number}") for number in range(8)]
            done, _ = concurrent.futures.wait(sent, timeout=0.5)
        finally:
            own_server.signal_all(signal.SIGCONT)
        assert not done
        answers += [one.result(worlds.BUSY) for one in sent]
        assert {answer.status for answer in answers} == {202}
        sent = [senders.submit(post, world, namespace, f"killed {number}") for number in range(50)]
        own_server.kill()
        killed = [one.result(worlds.BUSY) for one in sent] + [post(world, namespace, "gone")]
        for answer in killed:
            if answer.status != 202:
                check_put_off(answer)
        check_put_off(killed[-1])
        own_server.start()
        again = [send_until_taken(world, namespace, "gone")]
        stored = {one.id for one in world.run(world.store.list(namespace=namespace, limit=1000)).items}
        promised = [*answers, *(answer for answer in killed if answer.status == 202), *again]
        assert {one["id"] for answer in promised for one in answer.document["deliveries"]} <= stored
        world.read_ledger(namespace)


def send_until_taken(world, namespace, identity):
    """Send as a patient client does; connections to the dead server have to be found out first."""
    for _ in range(100):
        answer = post(world, namespace, identity)
        if answer.status == 202:
            return answer
        check_put_off(answer)
    raise AssertionError("the server is back, and nothing is taken")
