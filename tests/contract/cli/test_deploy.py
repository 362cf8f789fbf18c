"""Deploy: one path from folder to Function, and every way it can fail."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import httpx2
import pytest
import yaml

from mayfly.cli import deployment, pack
from mayfly.cluster import kinds
from tests.contract.cli.conftest import write_manifest


def name_of(folder):
    return yaml.safe_load((folder / "function.yaml").read_text())["metadata"]["name"]


def test_a_folder_becomes_a_function_with_its_source_in_the_registry(shell, folder):
    code, out, err = shell.mayfly("deploy", str(folder), "--no-wait", "--max", "7")
    assert code == 0, err
    name = name_of(folder)
    assert out == f"function.mayfly.dev/{name} applied\n"
    spec = shell.get(name)["spec"]
    assert spec["scaling"] == {"max": 7}
    repository, _, digest = spec["source"]["oci"]["ref"].removeprefix(f"{shell.registry}/").partition("@")
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = httpx2.get(f"http://{shell.registry}/v2/{repository}/manifests/{digest}", headers=accept).json()
    assert manifest["layers"][0]["digest"] == pack.make_archive(folder).digest


def test_deploying_again_changes_nothing(shell, folder):
    shell.mayfly("deploy", str(folder), "--no-wait")
    before = shell.get(name_of(folder))["metadata"]
    assert shell.mayfly("deploy", str(folder), "--no-wait")[0] == 0
    after = shell.get(name_of(folder))["metadata"]
    assert (before["generation"], before["uid"]) == (after["generation"], after["uid"])


def test_a_folder_takes_over_from_an_inline_source(shell, folder):
    """Somebody applied it with kubectl and inline code; one write puts the upload in its place."""
    name = name_of(folder)
    inline = {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": name, "namespace": shell.namespace, "annotations": {"mayfly.dev/paused": "true"}},
        "spec": {"source": {"inline": {"main.py": "x = 1"}}, "timeout": "9s"},
    }
    shell.on_cluster(lambda cluster: cluster.create(inline, manager="kubectl"))
    code, _, err = shell.mayfly("deploy", str(folder), "--no-wait")
    assert code == 0, err
    stored = shell.get(name)
    assert list(stored["spec"]["source"]) == ["oci"]
    assert stored["spec"]["timeout"] == "9s", "a field of another manager stays"
    assert stored["metadata"]["generation"] == 2, "one change, so one revision"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{timeout: 11m}", "timeout is from 1s to 10m"),
        ("{sourc: {}}", "sourc"),
        ("{scaling: {min: 3, max: 2}}", "scaling.min must not exceed"),
    ],
)
def test_a_wrong_spec_is_refused_before_anything_is_sent(shell, folder, spec, words):
    write_manifest(folder, "wrong", spec)
    code, out, err = shell.mayfly("deploy", str(folder))
    assert (code, out) == (1, "")
    assert words in err
    repository = f"http://{shell.registry}/v2/mayfly/sources/{shell.namespace}/wrong/tags/list"
    assert httpx2.get(repository).status_code == 404


def test_a_dry_run_on_the_server_stores_nothing(shell, folder):
    code, out, err = shell.mayfly("deploy", str(folder), "--dry-run", "server")
    assert code == 0, err
    assert yaml.safe_load(out)["metadata"]["uid"]
    assert shell.mayfly("get", name_of(folder))[0] == 1


def test_nobody_at_work_ends_in_a_timeout(shell, folder):
    code, out, err = shell.mayfly("deploy", str(folder), "--wait-timeout", "2s")
    assert (code, out) == (124, "")
    assert "the controller has not looked at it" in err


@pytest.fixture
def interruptible():
    """Let programs be interrupted that are started from here, even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_says_that_the_deployment_goes_on(shell, folder):
    argv = [sys.executable, "-m", "mayfly.cli", "--kubeconfig", shell.kubeconfig, "-n", shell.namespace]
    with subprocess.Popen([*argv, "deploy", str(folder)], stderr=subprocess.PIPE, text=True) as command:
        while "upload" not in command.stderr.readline():
            assert command.poll() is None
        command.send_signal(signal.SIGINT)
        said = command.stderr.read()
    assert command.returncode == 130
    assert f"goes on without this command: mayfly get {name_of(folder)} -n {shell.namespace}" in said


def play(shell, name, conditions, build=None):
    """Write a status as the controller would, once the Function is there."""

    async def work(cluster):
        deadline = time.monotonic() + 30
        while True:
            found = await cluster.list(kinds.FUNCTION, shell.namespace, fields=f"metadata.name={name}")
            if found:
                break
            assert time.monotonic() < deadline
        generation = found[0]["metadata"]["generation"]
        rows = [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": generation,
                "lastTransitionTime": "2026-11-21T06:00:00Z",
            }
            for kind, (status, reason, message) in conditions.items()
        ]
        status = {"observedGeneration": generation, "conditions": rows, "url": f"http://{name}.shop.example"}
        status["build"] = build or {"request": "r", "steps": [{"name": "push", "seconds": 0.25, "detail": "1 layer"}]}
        await cluster.apply_status({**found[0], "status": status}, manager="test")

    shell.on_cluster(work)


def deploy_with_status(shell, folder, conditions, build=None):
    player = threading.Thread(target=play, args=(shell, name_of(folder), conditions, build))
    player.start()
    try:
        return shell.mayfly("deploy", str(folder), "--wait-timeout", "30s")
    finally:
        player.join()


DONE = {kind: ("True", kind, "") for kind in ("Built", "Deployed", "Routed", "Ready")}


def test_success_prints_the_url_alone_to_stdout(shell, folder):
    code, out, err = deploy_with_status(shell, folder, DONE)
    assert code == 0, err
    assert out == f"http://{name_of(folder)}.shop.example\n"
    for word in ("upload", "build", "push", "roll out", "route", "curl -H 'Host: "):
        assert word in err
    assert "\033" not in err


def test_failure_prints_reason_message_and_log(shell, folder):
    failed = ("False", "SyntaxError", "main.py:1: invalid syntax")
    code, out, err = deploy_with_status(
        shell, folder, {"Built": failed, "Ready": failed}, {"request": "r", "log": ["collecting", "main.py:1: oops"]}
    )
    assert (code, out) == (1, "")
    assert "SyntaxError: main.py:1: invalid syntax" in err
    assert "  main.py:1: oops" in err


def test_a_manifest_is_deployed_as_it_is(shell, tmp_path):
    file = tmp_path / "all.yaml"
    one = {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "from-file", "annotations": {"mayfly.dev/paused": "true"}},
        "spec": {"source": {"image": "registry.example/x:1"}},
    }
    file.write_text(yaml.safe_dump_all([one, {**one, "metadata": {**one["metadata"], "name": "from-file-2"}}]))
    code, out, err = shell.mayfly("deploy", "-f", str(file), "--no-wait", "-o", "name")
    assert code == 0, err
    assert out == "function.mayfly.dev/from-file\nfunction.mayfly.dev/from-file-2\n"
    managers = {entry["manager"] for entry in shell.get("from-file")["metadata"]["managedFields"]}
    assert managers == {deployment.MANAGER}


def test_a_token_that_is_refused_says_so(shell, folder, monkeypatch):
    monkeypatch.setenv("MAYFLY_TOKEN", "wrong")
    code, _, err = shell.mayfly("deploy", str(folder))
    assert code == 1
    assert "Mayfly's API refused: the bearer token is not valid" in err


def test_an_api_that_is_not_there_says_so(shell, folder):
    code, _, err = shell.mayfly("deploy", str(folder), "--api-url", "http://127.0.0.1:1")
    assert code == 1
    assert "http://127.0.0.1:1 did not answer" in err
