"""List, get, delete, logs, version and invoke against a real cluster."""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import sys
import threading

import pytest

from tests.contract import pods

NAME = "cart"


@pytest.fixture
def function(shell):
    """A Function that nobody works on."""
    obj = {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": NAME, "namespace": shell.namespace, "annotations": {"mayfly.dev/paused": "true"}},
        "spec": {"source": {"inline": {"main.py": "x = 1"}}},
    }
    shell.on_cluster(lambda cluster: cluster.apply(obj, manager="test"))
    return obj


def test_list_and_get_show_it(shell, function):
    assert NAME in shell.mayfly("list")[1]
    assert "inline (main.py)" in shell.mayfly("get", NAME)[1]
    assert json.loads(shell.mayfly("get", NAME, "-o", "json")[1])["spec"] == function["spec"]
    listed = json.loads(shell.mayfly("list", "-o", "json")[1])["items"]
    assert function["spec"] in [item["spec"] for item in listed]
    assert shell.mayfly("list", "-A", "-o", "wide")[1].splitlines()[0].startswith("NAMESPACE")


def test_an_empty_namespace_invites(shell):
    shell.namespace = "no-such-namespace"
    code, out, err = shell.mayfly("list")
    assert (code, out) == (0, "")
    assert "Create one: mayfly new hello && mayfly deploy hello" in err
    assert json.loads(shell.mayfly("list", "-o", "json")[1])["items"] == []


def test_a_missing_function_names_those_that_are_there(shell, function):
    code, out, err = shell.mayfly("get", "crat")
    assert (code, out) == (1, "")
    assert NAME in err


def test_delete_deletes_and_complains_once(shell, function):
    assert shell.mayfly("delete", NAME) == (0, f"function.mayfly.dev/{NAME} deleted\n", "")
    assert shell.mayfly("delete", NAME)[0] == 1
    assert shell.mayfly("delete", NAME, "--ignore-not-found")[0] == 0


def test_version_tells_all_three(shell):
    found = json.loads(shell.mayfly("version", "-o", "json")[1])
    assert found["client"] == found["server"]
    assert found["kubernetes"].startswith("v1.")


def test_logs_are_readable_and_tell_instances_apart(shell, function):
    name = f"{NAME}-00001-deployment-7d9f6c-abcde"
    lines = [pods.make_line("sold", count=2), "plain"]
    pod = pods.make_pod(name, namespace=shell.namespace, function=NAME, registry=shell.registry, lines=lines)

    async def begin(cluster):
        await cluster.create(pod)
        await pods.wait_running(cluster, shell.namespace, name)

    shell.on_cluster(begin)

    async def written(cluster):
        async with contextlib.aclosing(cluster.logs(shell.namespace, name, follow=True)) as found:
            async for line in found:
                if line == "plain":
                    return

    shell.on_cluster(written)
    code, out, err = shell.mayfly("logs", NAME)
    assert code == 0, err
    assert out == "[00001-abcde] 06:00:00.123 info     sold count=2\n[00001-abcde] plain\n"
    assert shell.mayfly("logs", NAME, "--tail", "1", "--raw")[1] == "[00001-abcde] plain\n"


def test_logs_of_nothing_say_so(shell, function):
    code, out, err = shell.mayfly("logs", NAME, "--build")
    assert (code, out) == (0, "")
    assert "no log is kept" in err


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers as a gateway would, and tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = int(self.path.removeprefix("/")) if self.path[1:].isdecimal() else 200
        asked = {"host": self.headers["Host"], "path": self.path, "body": body.decode(), "headers": dict(self.headers)}
        answer = json.dumps(asked).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway(shell, function, monkeypatch):
    """A stand-in for the data plane: what is tested is what the command sends and how it tells the answer."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
    status = {"url": f"http://{NAME}.shop.example", "observedGeneration": 1}
    shell.on_cluster(lambda cluster: cluster.apply_status({**function, "status": status}, manager="test"))
    yield server
    server.shutdown()
    server.server_close()


def test_invoke_sends_the_functions_host_and_copies_the_body(shell, gateway):
    code, out, err = shell.mayfly("invoke", NAME, "-d", '{"a": 1}', "--path", "/x?y=1", "-H", "X-A: b")
    asked = json.loads(out)
    assert code == 0
    assert (asked["host"], asked["path"], asked["body"]) == (f"{NAME}.shop.example", "/x?y=1", '{"a": 1}')
    assert asked["headers"]["X-A"] == "b"
    assert "HTTP 200 OK in " in err


def test_invoke_sends_events(shell, gateway):
    asked = json.loads(shell.mayfly("invoke", NAME, "--event", "com.shop.order", "-d", "{}")[1])
    assert asked["headers"]["ce-type"] == "com.shop.order"


def test_an_error_of_the_function_is_exit_code_22(shell, gateway):
    code, out, err = shell.mayfly("invoke", NAME, "--path", "/500")
    assert code == 22
    assert json.loads(out)["path"] == "/500"
    assert f"mayfly logs {NAME}" in err


def test_tab_offers_the_functions_that_are_there(shell, function):
    asked = f"mayfly --kubeconfig {shell.kubeconfig} -n {shell.namespace} get c"
    env = {"PATH": "/usr/bin", "_MAYFLY_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": asked}
    done = subprocess.run([sys.executable, "-m", "mayfly.cli"], env=env, capture_output=True, text=True, check=False)
    assert NAME in done.stdout, (done.stdout, done.stderr)
