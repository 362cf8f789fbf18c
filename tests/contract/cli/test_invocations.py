"""Events, invocations and dead letters from the command line, through a real API to a real store."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from mayfly.cli import rest, session
from mayfly.model import handover
from mayfly.store import records
from tests.contract import pods
from tests.contract.eventing import world as worlds
from tests.contract.store import make

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
NOBODY = "019a0000-0000-7000-8000-000000000001"


@pytest.fixture
def bring(shell, invocations):
    """Make invocations that stand where the test wants them, of a function that only this test has."""

    def work(state, function="mail", **changes):
        now = time.time()
        place = {"namespace": shell.namespace, "function": function, "now": now}
        due = now + 3600 * (state == "waiting")
        return invocations.run(make.bring(invocations.store, state, due=due, **place, **changes))

    return work


def clear(shell):
    """Leave no dead letter for the next test."""
    shell.mayfly("dlq", "purge", "--all", "--yes")


# -- events --


def test_an_event_goes_to_who_wants_it_and_is_followed_by_its_id(shell, invocations):
    invocations.put(shell.namespace, "ledger", triggers=[{"event": {"type": "com.shop.order"}}])
    code, out, err = shell.mayfly(
        "events", "send", "com.shop.order", "--id", "o-1", "-d", '{"a": 1}', "--subject", "ö", "-a", "priority=high"
    )
    assert code == 0, err
    [identity] = ID.findall(out)
    assert "event o-1: 1 delivery" in err
    _, message, _ = invocations.find(shell.namespace, identity)
    assert message.body == b'{"a": 1}'
    assert {("ce-priority", "high"), ("ce-subject", "%C3%B6"), ("ce-source", "/mayfly/cli")} <= set(message.headers)
    assert "sent before" in shell.mayfly("events", "send", "com.shop.order", "--id", "o-1")[1]
    assert shell.mayfly("events", "send", "com.shop.order", "--id", "o-1", "-o", "name")[1] == f"{identity}\n"
    shown = json.loads(shell.mayfly("invocations", "get", identity, "-o", "json")[1])
    assert (shown["function"], shown["kind"], shown["history"]) == ("ledger", "event", [])


def test_a_file_of_events_is_sent_as_it_is(shell, invocations, tmp_path, monkeypatch):
    invocations.put(shell.namespace, "batch", triggers=[{"event": {"type": "com.shop.batch"}}])
    one = {"specversion": "1.0", "source": "/t", "type": "com.shop.batch"}
    file = tmp_path / "events.json"
    file.write_text(json.dumps([{**one, "id": "1"}, {**one, "id": "2", "data": "x"}]))
    code, out, err = shell.mayfly("events", "send", "--file", str(file), "-o", "json")
    assert code == 0, err
    assert (json.loads(out)["events"], len(json.loads(out)["deliveries"])) == (2, 2)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    identity = shell.mayfly("events", "send", "com.shop.batch", "-", "-o", "name")[1].strip()
    assert invocations.find(shell.namespace, identity)[1].body == b"from stdin"


def test_an_event_that_nobody_wants_is_told(shell):
    code, out, err = shell.mayfly("events", "send", "com.shop.nobody")
    assert (code, out) == (0, "")
    assert "nobody in namespace" in err
    assert "spec.triggers" in err


def test_tail_prints_what_comes_a_line_each(shell, invocations, bring):
    """What was there, and then what comes, each once; -f stays."""
    invocations.put(shell.namespace, "tailed", triggers=[{"event": {"type": "com.shop.tailed"}}])
    first = bring("waiting", function="tailed")
    argv = [sys.executable, "-m", "mayfly.cli", "--kubeconfig", shell.kubeconfig, "-n", shell.namespace]
    argv += ["events", "tail", "-f", "--function", "tailed", "-o", "name"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == first
        for _ in range(2):
            identity = shell.mayfly("events", "send", "com.shop.tailed", "-o", "name")[1].strip()
            assert process.stdout.readline().strip() == identity
        process.terminate()
        process.wait(30)
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d\d\d  {first}  event      waiting    tailed\n",
        shell.mayfly("events", "tail", "--function", "tailed", "--tail", "3")[1].splitlines(keepends=True)[0],
    )


# -- invocations --


def test_a_list_is_chosen_and_comes_in_every_form(shell, bring):
    made = {state: bring(state, function="listed") for state in ("waiting", "delivered", "dead")}
    listed = shell.mayfly("invocations", "list", "--function", "listed")[1]
    assert listed.splitlines()[0].startswith("ID ")
    assert all(identity in listed for identity in made.values())
    args = ["invocations", "list", "--function", "listed", "--since", "5m"]
    assert shell.mayfly(*args, "--state", "dead", "-o", "name")[1] == f"{made['dead']}\n"
    both = shell.mayfly(*args, "--state", "dead", "--state", "waiting", "-o", "json")[1]
    assert {one["id"] for one in json.loads(both)["items"]} == {made["dead"], made["waiting"]}
    assert len(shell.mayfly(*args, "--limit", "2", "-o", "name")[1].splitlines()) == 2
    assert "the last: HTTP 500" in shell.mayfly(*args, "-o", "wide")[1]
    clear(shell)


def test_pages_are_put_together(shell, invocations):
    now = time.time() - 7200
    batch = [
        make.make_invocation(namespace=shell.namespace, function="many", now=now + number, due=now + 9e5)
        for number in range(620)
    ]
    invocations.run(invocations.store.accept(batch, now=now))
    args = ["invocations", "list", "--function", "many", "-o", "name"]
    assert shell.mayfly(*args, "--limit", "1000")[1].split() == [one.id for one in reversed(batch)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["invocations", "list", "--function", "nobody"], "No invocations in namespace {} with function nobody."),
        (["dlq", "list"], "No dead letters in namespace {}."),
        (["events", "tail", "--function", "nobody"], "-f waits for the next one"),
        (["dlq", "redrive", "nobody"], "there is none of nobody in namespace {}"),
        (["dlq", "purge", "nobody"], "there is none of nobody in namespace {}"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_where_nothing_is_the_next_step_is_told(shell, args, words):
    code, _, err = shell.mayfly(*args)
    assert code == 0
    assert words.format(shell.namespace) in err


def test_a_card_has_the_attempts_and_says_what_can_be_done(shell, bring):
    identity = bring("dead")
    code, out, err = shell.mayfly("invocations", "get", identity)
    assert code == 0
    assert "State:        dead RetriesExhausted" in out
    assert re.search(r"\n  1   dead +500", out)
    assert f"mayfly invocations redrive {identity}" in err
    clear(shell)


def test_a_result_goes_to_stdout(shell, bring, invocations):
    identity = bring("waiting", kind="call")
    code, out, err = shell.mayfly("invocations", "result", identity)
    assert (code, out) == (1, "")
    assert "--wait waits for its answer" in err
    settle(shell, invocations, identity, records.Result(200, (("x-a", "b"),), b"the answer"))
    code, out, err = shell.mayfly("invocations", "result", identity, "-i")
    assert (code, out) == (0, "the answer")
    assert "x-a: b" in err
    assert "HTTP 200, delivered" in err


def settle(shell, invocations, identity, result):
    """Deliver what waits for an hour from now."""

    async def work():
        store = invocations.store
        leases = await make.claim(store, now=time.time() + 4000, worker="cli")
        for lease in leases:
            if lease.invocation.id == identity:
                await make.settle(store, lease, records.Delivered(result), now=time.time())
            else:
                await make.settle(store, lease, records.Retry(time.time() + 3600), attempt=None, now=time.time())

    invocations.run(work())


def test_waiting_for_a_result_ends_with_it(shell, bring, invocations):
    identity = bring("waiting", kind="call")
    argv = [sys.executable, "-m", "mayfly.cli", "--kubeconfig", shell.kubeconfig, "-n", shell.namespace]
    argv += ["invocations", "result", identity, "--wait"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # After two seconds it says for what it waits; only then there is an answer.
        assert f"{identity} is waiting for attempt 1".encode() in process.stderr.readline()
        settle(shell, invocations, identity, records.Result(418, (), b"\xff\x00tea"))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (22, b"\xff\x00tea")
    assert b"HTTP 418, delivered" in err


def test_waiting_too_long_is_a_timeout_and_changes_nothing(shell, bring):
    identity = bring("waiting", kind="call")
    code, out, err = shell.mayfly("invocations", "result", identity, "--wait", "--timeout", "1s")
    assert (code, out) == (124, "")
    assert "it goes on without this command" in err
    assert shell.mayfly("invocations", "cancel", identity)[:2] == (0, f"{identity} cancelled\n")


def test_what_was_given_up_is_shown_with_its_last_answer(shell, bring):
    identity = bring("dead", kind="call")
    code, out, err = shell.mayfly("invocations", "result", identity, "-o", "json")
    assert (code, json.loads(out)["status"]) == (22, 500)
    assert err == ""
    clear(shell)


def test_steering(shell, bring, invocations):
    identity = bring("waiting")
    assert shell.mayfly("invocations", "cancel", identity)[1] == f"{identity} cancelled\n"
    assert invocations.abandoned[-1] == identity
    code, out, err = shell.mayfly("invocations", "replay", identity, "--revision", "mail-00002")
    assert code == 0
    made = json.loads(shell.mayfly("invocations", "get", out.strip(), "-o", "json")[1])
    assert (made["parent"], made["revision"]) == (identity, "mail-00002")
    assert f"mayfly invocations get {out.strip()}" in err
    dead = bring("dead")
    assert shell.mayfly("invocations", "redrive", dead)[1] == f"{dead} waits again\n"
    assert json.loads(shell.mayfly("invocations", "cancel", dead, "-o", "json")[1])["state"] == "cancelled"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["invocations", "get", NOBODY], 1, f"there is no invocation {NOBODY}"),
        (["invocations", "result", "x/../y?z"], 2, "'x/../y?z' is no id of an invocation"),
        (["dlq", "show", "mail"], 2, "'mail' is no id of an invocation; mayfly invocations list"),
        (["dlq", "redrive", NOBODY], 1, f"there is no invocation {NOBODY}"),
        (["invocations", "replay", NOBODY, "--revision", "X"], 1, "there is no invocation"),
    ],
)
def test_what_is_not_there_is_named(shell, args, code, words):
    found, out, err = shell.mayfly(*args)
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("error:") == 1


def test_what_the_state_forbids_is_said_with_the_state(shell, bring):
    identity = bring("delivered")
    code, _, err = shell.mayfly("invocations", "cancel", identity)
    assert code == 1
    assert f"{identity} is delivered: only what is waiting or leased can be cancelled" in err
    code, _, err = shell.mayfly("invocations", "replay", identity, "--revision", "cart-00001")
    assert code == 2
    assert "name a revision of mail" in err


def test_logs_are_those_of_the_invocation(shell, bring):
    identity = bring("waiting", function="talker")
    name = "talker-00001-deployment-7d9f6c-abcde"
    lines = [pods.make_line("mine", request_id=identity), pods.make_line("other's", request_id=NOBODY), "end"]
    pod = pods.make_pod(name, namespace=shell.namespace, function="talker", registry=shell.registry, lines=lines)

    async def begin(cluster):
        await cluster.create(pod)
        await pods.wait_running(cluster, shell.namespace, name)
        async for line in cluster.logs(shell.namespace, name, follow=True):
            if line == "end":
                return

    shell.on_cluster(begin)
    code, out, err = shell.mayfly("invocations", "logs", identity)
    assert code == 0, err
    assert out == f"[00001-abcde] 06:00:00.123 info     mine [{identity}]\n"
    code, out, err = shell.mayfly("invocations", "logs", bring("waiting", function="silent"))
    assert (code, out) == (0, "")
    assert "Everything of the function: mayfly logs silent" in err


# -- dead letters --


def test_dead_letters_are_shown_with_what_they_would_send(shell, bring):
    identity = bring("dead", function="sick")
    assert identity in shell.mayfly("dlq", "list", "sick")[1]
    assert shell.mayfly("dlq", "list", "other", "-o", "name")[1] == ""
    code, out, err = shell.mayfly("dlq", "show", identity)
    assert code == 0
    assert "POST /p?q=1" in out
    assert "RetriesExhausted" in out
    assert f"mayfly dlq redrive {identity}" in err
    assert json.loads(shell.mayfly("dlq", "show", identity, "-o", "json")[1])["message"]["method"] == "POST"
    waiting = bring("waiting")
    assert "not dead" in shell.mayfly("dlq", "show", waiting)[2]
    clear(shell)


def test_dead_letters_are_redriven_by_function_by_id_and_all(shell, bring):
    sick = [bring("dead", function="sick") for _ in range(2)]
    other, last = bring("dead", function="other"), bring("dead", function="last")
    assert shell.mayfly("dlq", "redrive", "sick")[:2] == (0, "2 dead letters redriven\n")
    assert shell.mayfly("dlq", "redrive", other)[:2] == (0, "1 dead letter redriven\n")
    assert json.loads(shell.mayfly("dlq", "redrive", "--all", "-o", "json")[1]) == {"redriven": 1}
    for identity in (*sick, other, last):
        shell.mayfly("invocations", "cancel", identity)


def test_a_purge_asks_first(shell, bring, monkeypatch):
    class Person(io.StringIO):
        def isatty(self):
            return True

    identity = bring("dead", function="sick")
    code, out, err = shell.mayfly("dlq", "purge", "sick")
    assert (code, out) == (2, "")
    assert "1 dead letter of sick" in err
    assert "--yes" in err
    for answer, expected in (("\n", 1), ("n\n", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Person(answer))
        code, out, err = shell.mayfly("dlq", "purge", "sick")
        assert code == expected, err
        assert (identity in shell.mayfly("dlq", "list", "-o", "name")[1]) == (expected == 1)
    assert out == "1 dead letter purged\n"


def test_a_long_redrive_says_how_far_it_is(shell, invocations):
    now = time.time()
    batch = [make.make_invocation(namespace=shell.namespace, function="mass", now=now) for _ in range(1100)]

    async def fill():
        await invocations.store.accept(batch, now=now)
        terms = records.Terms(capacity=2000, lease_seconds=30)
        for lease in await invocations.store.claim(worker="w", now=now, limit=2000, default=terms):
            await make.settle(invocations.store, lease, records.Dead("Expired"), now=now)

    invocations.run(fill())
    code, out, err = shell.mayfly("dlq", "redrive", "mass")
    assert (code, out) == (0, "1100 dead letters redriven\n")
    assert "1000 redriven so far" in err
    invocations.run(invocations.store.conservation())


# -- asynchronous calls --


class Gateway(http.server.BaseHTTPRequestHandler):
    """Hands over to the eventing process what is its, marked as the gateway marks it; the rest it answers itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reads = re.search(f"{handover.INVOCATION}$", self.path)
        if not reads and "respond-async" not in self.headers.get("Prefer", ""):
            self.answer(200, {}, b"at once")
            return
        marked = {
            handover.TOKEN: worlds.TOKEN,
            handover.NAMESPACE: self.server.namespace,
            handover.FUNCTION: "caller",
            handover.ASYNC: handover.READ if reads else handover.CALL,
        }
        with contextlib.closing(http.client.HTTPConnection(*self.server.world.base)) as connection:
            connection.request(self.command, self.path, body, {**dict(self.headers), **marked})
            answer = connection.getresponse()
            whole = answer.read()
        with contextlib.suppress(ConnectionError):  # who asked may have gone
            self.answer(answer.status, dict(answer.getheaders()), whole)

    do_POST = do_GET  # noqa: N815

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def caller(shell, invocations, monkeypatch):
    """A function that can be called, at the gateway's stand-in."""
    obj = {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "caller", "namespace": shell.namespace, "annotations": {"mayfly.dev/paused": "true"}},
        "spec": {"source": {"inline": {"main.py": "x = 1"}}},
    }
    shell.on_cluster(lambda cluster: cluster.apply(obj, manager="test"))
    status = {"url": "http://caller.shop.example", "observedGeneration": 1}
    shell.on_cluster(lambda cluster: cluster.apply_status({**obj, "status": status}, manager="test"))
    invocations.put(shell.namespace, "caller")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.world, server.namespace = invocations, shell.namespace
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
    yield "caller"
    server.shutdown()
    server.server_close()


def test_an_asynchronous_call_prints_its_id(shell, caller, invocations):
    code, out, err = shell.mayfly("invoke", caller, "--async", "-d", '{"a": 1}', "--path", "/x?y=1")
    assert code == 0, err
    identity = out.strip()
    assert f"mayfly invocations result {identity} --wait" in err
    stored, message, _ = invocations.find(shell.namespace, identity)
    assert (stored.kind, message.path, message.body) == ("call", "/x?y=1", b'{"a": 1}')


def test_an_asynchronous_call_can_be_waited_for(shell, caller, invocations):
    """The answer comes from the route itself, with the rights of its callers, be it a 202 of the function's own."""
    argv = [sys.executable, "-m", "mayfly.cli", "--kubeconfig", shell.kubeconfig, "-n", shell.namespace]
    argv += ["invoke", caller, "--async", "--wait", "-d", "x"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        [identity] = ID.findall(process.stderr.readline())
        settle(shell, invocations, identity, records.Result(202, (("content-type", "text/plain"),), b"later"))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "later")
    assert "HTTP 202" in err


def test_a_call_that_is_not_answered_in_time_goes_on(shell, caller):
    code, out, err = shell.mayfly("invoke", caller, "--async", "--wait", "--timeout", "1s")
    assert (code, out) == (124, "")
    [_, identity] = ID.findall(err)
    assert f"mayfly invocations result {identity} --wait" in err


def test_an_answer_at_once_is_told(shell, caller, monkeypatch):
    """To answer later is a preference: where nobody obeys it, the answer is shown and the reason said."""
    monkeypatch.setattr(Gateway, "do_POST", lambda self: self.answer(200, {}, b"at once"))
    code, _, err = shell.mayfly("invoke", caller, "--async", "-X", "POST")
    assert code == 0
    assert "answered at once: it takes no asynchronous calls" in err


# -- the way to the API --


def test_without_events_the_cause_is_named(shell, cluster_env, monkeypatch):
    monkeypatch.setenv("MAYFLY_API_URL", "http://127.0.0.1:9")
    code, out, err = shell.mayfly("invocations", "list")
    assert (code, out) == (1, "")
    assert "Mayfly's API at http://127.0.0.1:9 did not answer" in err


def test_a_wrong_token_is_named(shell):
    code, _, err = shell.mayfly("dlq", "list", "--token", "wrong")
    assert code == 1
    assert "the bearer token is not valid" in err


FORWARD = """
import asyncio

async def copy(source, sink):
    while piece := await source.read(65536):
        sink.write(piece)
        await sink.drain()
    sink.close()

async def serve(source, sink):
    far_source, far_sink = await asyncio.open_connection({host!r}, {port})
    await asyncio.gather(copy(source, far_sink), copy(far_source, sink), return_exceptions=True)

async def main():
    async with await asyncio.start_server(serve, port=8080) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def behind_the_api_server(shell, api, monkeypatch):
    """The API as a Service of the test's namespace, and nothing but the kubeconfig to find it by.

    The API server passes calls on to pods alone, so a pod stands there that passes them on to the process of the test.
    """
    label = "to-the-test"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((shell.registry.partition(":")[0], 9))
        host = probe.getsockname()[0]
    pod = pods.make_pod(label, namespace=shell.namespace, function=label, registry=shell.registry, lines=[])
    code = FORWARD.format(host=host, port=int(api.rpartition(":")[2]))
    pod["spec"]["containers"][0]["command"] = ["/usr/bin/python3", "-c", code]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": rest.SERVICE, "namespace": shell.namespace},
        "spec": {"selector": pod["metadata"]["labels"], "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }

    async def put(cluster):
        await cluster.apply(service, manager="test")
        await cluster.create(pod)
        await pods.wait_running(cluster, shell.namespace, label)
        deadline = time.monotonic() + 30
        status, said = 503, b""  # until the endpoints have been written and seen
        while status in {404, 503}:
            assert time.monotonic() < deadline, said
            async with cluster.service_proxy(shell.namespace, rest.SERVICE, "http", path="/healthz") as answer:
                status, said = answer.status, await answer.read()
        assert status == 200, said

    shell.on_cluster(put)
    monkeypatch.delenv("MAYFLY_API_URL")
    monkeypatch.setattr(session, "SYSTEM_NAMESPACE", shell.namespace)


@pytest.mark.usefixtures("behind_the_api_server")
def test_everything_goes_through_the_api_servers_proxy(shell, bring, invocations):
    """Reading, sending with attributes in headers, waiting, steering, deleting, streams: none needs an address."""
    invocations.put(shell.namespace, "proxied", triggers=[{"event": {"type": "com.shop.proxied"}}])
    code, identity, err = shell.mayfly("events", "send", "com.shop.proxied", "-d", "\xfc", "-o", "name")
    assert code == 0, err
    identity = identity.strip()
    assert invocations.find(shell.namespace, identity)[1].body == "\xfc".encode()
    assert identity in shell.mayfly("invocations", "list", "--since", "1m")[1]
    assert shell.mayfly("invocations", "result", identity, "--wait", "--timeout", "1s")[0] == 124
    assert shell.mayfly("invocations", "cancel", identity)[1] == f"{identity} cancelled\n"
    assert ID.fullmatch(shell.mayfly("invocations", "replay", identity)[1].strip())
    assert "nothing is there of" in shell.mayfly("invocations", "logs", identity)[2]
    bring("dead", function="proxied")
    assert shell.mayfly("dlq", "purge", "proxied", "--yes")[:2] == (0, "1 dead letter purged\n")
    code, _, err = shell.mayfly("invocations", "cancel", identity)
    assert (code, "is cancelled: " in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [("invocations list --state de", ["delivered", "dead"]), ("dlq re", ["redrive"]), ("dlq list ca", ["caller"])],
)
def test_tab_offers_states_commands_and_functions(shell, caller, words, offered):
    asked = f"mayfly --kubeconfig {shell.kubeconfig} -n {shell.namespace} {words}"
    env = {"PATH": "/usr/bin", "_MAYFLY_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": asked}
    done = subprocess.run([sys.executable, "-m", "mayfly.cli"], env=env, capture_output=True, text=True, check=False)
    assert all(word in done.stdout for word in offered), (done.stdout, done.stderr)
