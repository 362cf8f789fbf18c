"""Migrate: from a folder of another platform to manifests that the real API server takes."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest
import yaml

from mayfly.cli import __main__ as entry
from mayfly.cluster import kinds
from tests.unit.migrate import samples

STACK = """
provider: {name: openfaas}
functions:
  greet: {lang: python3, handler: ./greet}
  count: {lang: python3, handler: ./count}
"""


@pytest.fixture
def call(capsys):
    """Run the command without a cluster; return exit code, stdout, stderr."""

    def run(*args):
        capsys.readouterr()
        code = entry.run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def stack(tmp_path):
    (tmp_path / "stack.yml").write_text(STACK)
    for name in ("greet", "count"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "handler.py").write_text("def handle(event, context):\n    return {}\n")
    return tmp_path


@pytest.mark.parametrize("name", samples.FORMATS)
def test_the_api_server_takes_every_manifest_as_the_report_says_to_deploy_it(shell, call, tmp_path, monkeypatch, name):
    """With all of the CRD's rules: the command that the report names is run as a server-side dry run."""
    shutil.copytree(samples.HERE / "inputs" / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    code, out, err = call("migrate", name, "-o", "json")
    assert code == 3, err
    commands = [one["deploy"] for one in json.loads(out)["functions"] if one["deploy"]]
    assert commands
    for command in commands:
        program, *args = shlex.split(command)
        assert program == "mayfly"
        code, out, err = shell.mayfly(*args, "--dry-run", "server")
        assert code == 0, (command, err)
        assert yaml.safe_load(out)["kind"] == "Function"


def test_hostile_manifests_are_taken_too(shell, tmp_path, call):
    """Values at and beyond every limit, as one function: what is left of them passes the CRD's rules."""
    envs = [{"name": f"V{number}", "value": "x" * 40_000 if number == 3 else "y"} for number in range(150)]
    scale = {"min": 50, "max": 5, "target": 5000}
    limits = {"cpu": "1e3", "memory": "99999999999999999999Mi", "concurrency": 10**9}
    volumes = [
        {"secret": "s", "path": path} for path in ("/etc", "/a/../b", "/x/", "/x", "/proc/1", "relative", "/ok//a")
    ]
    document = {
        "name": "x" * 200,
        "runtime": "python",
        "domain": "x.svc.cluster.local",
        "run": {"envs": [*envs, {"name": "PORT", "value": "1"}, {"name": "K_X", "value": "1"}], "volumes": volumes},
        "deploy": {
            "options": {"scale": scale, "resources": {"limits": limits}},
            "labels": [{"key": "a/b/c", "value": "x"}, {"key": "ok", "value": "-x"}, {"key": "Fine", "value": "y"}],
            "annotations": {"ok": "x" * 5000, "B/x": "y", "fine": "y"},
            "subscriptions": [{"source": "b", "filters": {f"a{number}": "x" for number in range(16)}}] * 40,
        },
    }
    (tmp_path / "func.yaml").write_text(json.dumps(document))
    (tmp_path / "func.py").write_text("def handle(scope, receive, send): ...\n")
    code, _, err = call("migrate", tmp_path)
    assert code == 3, err
    code, out, err = shell.mayfly("deploy", str(tmp_path), "--dry-run", "server")
    assert code == 0, err
    spec = yaml.safe_load(out)["spec"]
    assert (spec["scaling"]["min"], spec["scaling"]["max"]) == (50, 50)
    assert len(spec["env"]) == 128
    assert len(spec["triggers"]) == 32


def test_a_folder_and_a_manifest_elsewhere_become_a_function(shell, call, stack):
    """With --out the code stays where it is; deploying takes both, and stores the code with the manifest's spec."""
    out = stack / "out"
    assert call("migrate", stack, "--out", out)[0] == 0
    assert not (stack / "greet" / "function.yaml").exists()
    manifest = yaml.safe_load((out / "greet.function.yaml").read_text())
    manifest["metadata"]["annotations"] = {"mayfly.dev/paused": "true"}
    manifest["spec"]["timeout"] = "7s"
    (out / "greet.function.yaml").write_text(yaml.safe_dump(manifest))
    code, _, err = shell.mayfly("deploy", str(stack / "greet"), "-f", str(out / "greet.function.yaml"), "--no-wait")
    assert code == 0, err
    spec = shell.get("greet")["spec"]
    assert (spec["timeout"], list(spec["source"])) == ("7s", ["oci"])
    shell.on_cluster(lambda cluster: cluster.delete(kinds.FUNCTION, shell.namespace, "greet"))


def test_all_carried_is_zero_and_lost_is_three(call, stack):
    code, out, _ = call("migrate", stack, "--dry-run")
    assert code == 0, out
    assert "fields: 6 carried, 1 changed, 0 not carried" in out
    text = STACK.replace("handler: ./count", "handler: ./count, constraints: [gpu]")
    (stack / "stack.yml").write_text(text)
    code, out, _ = call("migrate", stack, "--dry-run")
    assert code == 3
    assert "  not carried   functions.count.constraints " in out
    assert not list(stack.rglob("*function.yaml"))


def test_a_manifest_that_is_there_is_not_replaced_unasked(call, stack):
    """Either all are written or none; the same content is no conflict; --force replaces."""
    assert call("migrate", stack)[0] == 0
    assert call("migrate", stack)[0] == 0
    first = (stack / "greet" / "function.yaml").read_text()
    (stack / "count" / "function.yaml").write_text("mine\n")
    (stack / "greet" / "function.yaml").unlink()
    code, _, err = call("migrate", stack)
    assert code == 2
    assert "count/function.yaml' exists" in err
    assert "--force" in err
    assert not (stack / "greet" / "function.yaml").exists()
    assert call("migrate", stack, "--force")[0] == 0
    assert (stack / "greet" / "function.yaml").read_text() == first


def test_a_link_is_not_written_through(call, stack, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("theirs")
    (stack / "greet" / "function.yaml").symlink_to(target)
    assert call("migrate", stack, "--force")[0] == 2
    assert target.read_text() == "theirs"


def test_the_report_for_programs_has_the_promised_fields(call, stack):
    code, out, err = call("migrate", stack / "stack.yml", "-o", "json", "--dry-run")
    assert code == 0, err
    report = json.loads(out)
    assert list(report) == ["functions", "shared", "skipped", "summary"]
    one = report["functions"][0]
    assert list(one) == ["name", "from", "manifest", "file", "written", "reason", "deploy", "todo", "fields"]
    assert one["from"] == {"file": "stack.yml", "line": 4, "name": "greet"}
    assert one["written"] is False
    assert list(one["fields"][0]) == ["field", "line", "outcome", "to", "remark"]
    assert report["summary"] == {"functions": 2, "manifests": 2, "carried": 6, "changed": 1, "notCarried": 0}


@pytest.mark.parametrize(
    ("write", "says"),
    [
        ({}, "does not exist"),
        ({"notes.txt": "x"}, "nothing to migrate in 0 files"),
        ({"stack.yml": "a: ["}, "stack.yml:2: not YAML"),
        ({"func.yaml": "a: !!python/name:os.system"}, "asks for an object"),
    ],
    ids=["absent", "nothing", "broken", "object"],
)
def test_what_cannot_be_read_is_two(call, tmp_path, write, says):
    folder = tmp_path / "in"
    for name, content in write.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    code, out, err = call("migrate", folder)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_links_and_leftovers_of_tools_are_not_read(call, stack, tmp_path):
    (stack / "node_modules").mkdir()
    (stack / "node_modules" / "func.yaml").write_text("name: hidden\nruntime: python\n")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "func.yaml").write_text("name: outside\nruntime: python\n")
    (stack / "link").symlink_to(outside)
    (stack / "func.yaml").symlink_to(outside / "func.yaml")
    code, out, err = call("migrate", stack, "--dry-run", "-o", "name")
    assert code == 0, err
    assert out == "function.mayfly.dev/greet\nfunction.mayfly.dev/count\n"
