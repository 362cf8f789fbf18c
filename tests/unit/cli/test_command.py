"""The command line: its help, its exit codes, its errors."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from mayfly import errors
from mayfly.cli import __main__ as entry
from mayfly.cli import app, exits, pack, reference, scaffold
from mayfly.cli.commands import new_command

ROOT = pathlib.Path(__file__).resolve().parents[3]


def walk(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from walk(below)


@pytest.mark.parametrize(
    "kind", [kind for kind in walk(errors.MayflyError) if kind.__module__ in {"mayfly.errors", "mayfly.cli.exits"}]
)
def test_every_kind_of_error_has_an_exit_code(kind):
    assert exits.CODES[kind] in {1, 2, 22, 124}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_summary_of_a_command_is_the_first_line_of_its_help(name):
    assert str(app.load(name).help).splitlines()[0] == app.COMMANDS[name]


def test_the_reference_is_current():
    assert (ROOT / "docs" / "cli.md").read_text() == reference.render_reference(), "run `make generate`"


def test_help_imports_nothing_heavy():
    """What is heavy is imported by the command that needs it; that is what makes --help fast."""
    code = (
        "import sys\nfrom mayfly.cli import app\n"
        "try:\n    app.invoke(['--help'], program='mayfly')\nfinally:\n"
        "    heavy = {'rich', 'aiohttp', 'pydantic', 'yaml', 'kubernetes', 'asyncio', 'mayfly.cluster'}\n"
        "    print('HEAVY', sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout, done.stdout
    assert all(f"\n  {name.partition(' ')[0]} " in done.stdout for name in app.COMMANDS)


@pytest.mark.parametrize("group", app.GROUPS)
def test_a_group_lists_its_commands(group, capsys):
    assert entry.run([group, "--help"]) == 0
    out = capsys.readouterr().out
    assert app.GROUPS[group] in out
    assert all(f"\n  {key.partition(' ')[2]} " in out for key in app.COMMANDS if key.startswith(f"{group} "))


def test_every_group_has_commands_and_a_summary():
    assert {key.partition(" ")[0] for key in app.COMMANDS if " " in key} == set(app.GROUPS)


USAGE = {
    "unknown command": (["lst"], "Did you mean 'list'?"),
    "unknown option": (["list", "--nope"], "--nope"),
    "missing name": (["get"], "NAME"),
    "no folder, no file": (["deploy"], "name a folder"),
    "no such folder": (["deploy", "/no/such/folder"], "is not a folder"),
    "no such kubeconfig": (["--kubeconfig", "/no/such/file", "list"], "is not a file"),
    "wrong output": (["list", "-o", "xml"], "xml"),
    "wrong duration": (["invoke", "x", "--timeout", "soon"], "--timeout: duration 'soon'"),
    "wrong name": (["new", "Not_A_Name"], "use not-a-name"),
    "unknown in a group": (["dlq", "lst"], "Did you mean 'list'?"),
    "wrong state": (["invocations", "list", "--state", "done"], "done"),
    "wrong since": (["invocations", "list", "--since", "today"], "--since: duration 'today'"),
    "redrive nothing": (["dlq", "redrive"], "name a function or a dead letter"),
    "redrive both": (["dlq", "redrive", "mail", "--all"], "name a function or a dead letter"),
    "purge nothing": (["dlq", "purge"], "name a function"),
    "purge one": (["dlq", "purge", "019a4c2e-79b0-7cc3-98c4-dc0c0c07398f"], "a single one cannot be"),
    "wait for nothing": (["invoke", "mail", "--wait"], "--wait goes with --async"),
    "no event": (["events", "send"], "name a type"),
    "migrate nothing": (["migrate", "/no/such/folder"], "does not exist"),
    "two events": (["events", "send", "a.b", "--file", "x.json"], "name a type"),
    "wrong attribute": (["events", "send", "a.b", "--attr", "Priority=1"], "Priority"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_exits_2_and_says_what_to_do(case, capsys):
    args, words = USAGE[case]
    assert entry.run(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert "Traceback" not in captured.err


def test_no_cluster_is_one_clear_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert entry.run(["list"]) == 1
    assert capsys.readouterr().err.count("error:") == 1


def test_an_unforeseen_error_shows_its_traceback_on_demand_alone(monkeypatch, capsys):
    def explode(*_, **__):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(app, "invoke", explode)
    assert entry.run(["list"]) == 1
    assert "MAYFLY_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("MAYFLY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        entry.run(["list"])


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ('namespaces "bank" not found', "create it: kubectl create namespace bank"),
        ("the server could not find the requested resource", "install Mayfly on it"),
    ],
)
def test_what_the_cluster_lacks_is_told_with_the_fix(monkeypatch, capsys, said, fix):
    def refuse(*_, **__):
        raise errors.NotFound(said)

    monkeypatch.setattr(app, "invoke", refuse)
    assert entry.run(["list"]) == 1
    assert fix in capsys.readouterr().err


def test_interrupt_exits_130(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "invoke", interrupt)
    assert entry.run(["list"]) == 130


def test_options_before_the_command_are_defaults_of_those_after(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    folder = tmp_path / "cart"
    assert entry.run(["new", "cart", "--folder", str(folder)]) == 0
    capsys.readouterr()
    for args, namespace in ((["-n", "shop", "deploy"], "shop"), (["-n", "shop", "deploy", "-n", "bank"], "bank")):
        assert entry.run([*args, str(folder), "--dry-run", "client"]) == 0
        assert yaml.safe_load(capsys.readouterr().out)["metadata"]["namespace"] == namespace


def write_kubeconfig(folder):
    """Write a kubeconfig of a cluster that is never called."""
    file = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    }
    file.write_text(yaml.safe_dump(document))
    return str(file)


def test_a_dry_run_prints_the_manifest_to_stdout(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    folder = tmp_path / "cart"
    assert entry.run(["new", "cart", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == ""
    assert entry.run(["deploy", str(folder), "--dry-run", "client", "--max", "7", "-e", "A=1"]) == 0
    captured = capsys.readouterr()
    document = yaml.safe_load(captured.out)
    assert document["metadata"] == {"name": "cart", "namespace": "team"}
    assert document["spec"]["scaling"] == {"min": 0, "max": 7}
    assert document["spec"]["source"]["oci"]["ref"].endswith(pack.make_archive(folder).digest)
    assert "not uploaded" in captured.err


def test_an_unreachable_cluster_is_said_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    assert entry.run(["list"]) == 1
    assert "did not answer" in capsys.readouterr().err


@pytest.mark.parametrize("template", list(new_command.Template))
def test_a_new_folder_can_be_deployed(tmp_path, template, capsys, monkeypatch):
    """Every template parses, names a handler that is there, and fits the schema's words."""
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    folder = tmp_path / "cart"
    assert entry.run(["new", "cart", "-t", template, "--folder", str(folder)]) == 0
    written = {path.name for path in folder.iterdir()}
    assert written == {"handler.py", "requirements.txt", "function.yaml", "README.md", ".mayflyignore"}
    assert not any("$" in path.read_text() for path in folder.iterdir())
    compile((folder / "handler.py").read_text(), "handler.py", "exec")
    spec = yaml.safe_load((folder / "function.yaml").read_text())["spec"]
    name = spec["handler"].partition(":")[2]
    assert re.search(rf"^(def {name}\(|{name} = )", (folder / "handler.py").read_text(), re.MULTILINE)
    assert spec["signature"] == template
    assert pack.make_archive(folder).files == ("handler.py", "requirements.txt")


def test_new_overwrites_nothing(tmp_path, capsys):
    (tmp_path / "precious.py").write_text("mine")
    assert entry.run(["new", "cart", "--folder", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["precious.py"]


def test_scaffold_reports_what_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(exits.Failed, match="cannot be written"):
        scaffold.write(tmp_path / "file", "http", "cart")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell):
    words = {"COMP_WORDS": "mayfly de", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "mayfly de"}
    words["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = subprocess.run(
        [sys.executable, "-m", "mayfly.cli"],
        env={"PATH": "/usr/bin", "_MAYFLY_COMPLETE": f"complete_{shell}", **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "deploy" in done.stdout
    assert "delete" in done.stdout
