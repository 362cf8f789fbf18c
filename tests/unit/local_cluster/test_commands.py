"""Sub-commands: their logs, their failures, their end."""

from __future__ import annotations

import threading

import pytest

from cluster import commands, errors


def test_a_failure_shows_the_end_of_its_log(tmp_path):
    """The user sees what went wrong and where the rest is."""
    script = "for n in $(seq 100); do echo line $n; done; echo the reason >&2; exit 3"
    with pytest.raises(errors.CommandFailed) as caught:
        commands.run(["sh", "-c", script], log=tmp_path / "it.log")
    assert caught.value.code == 3
    assert "the reason" in str(caught.value)
    assert str(tmp_path / "it.log") in str(caught.value)
    assert "line 1\n" not in str(caught.value)


def test_output_can_go_to_a_file_of_its_own(tmp_path):
    """Standard output is kept clean of what a command says beside it."""
    commands.run(["sh", "-c", "cat; echo noise >&2"], log=tmp_path / "log", stdin=b"data", stdout=tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert "noise" in (tmp_path / "log").read_text()


def test_a_command_that_hangs_is_ended():
    """A probe never waits longer than it says."""
    assert not commands.succeeds(["sleep", "1000"], timeout_seconds=0.05)


def test_a_missing_command_does_not_succeed():
    """Asking whether something works does not fail where it is not installed."""
    assert not commands.succeeds(["no-such-command-anywhere"])


def test_stop_all_ends_running_commands_and_refuses_new_ones(tmp_path, monkeypatch):
    """After Ctrl-C nothing goes on in the background."""
    monkeypatch.setattr(commands, "_stopping", threading.Event())
    caught: list[BaseException] = []

    def run():
        try:
            commands.run(["sh", "-c", "echo on; exec sleep 1000"], log=tmp_path / "log")
        except errors.Interrupted as error:
            caught.append(error)

    worker = threading.Thread(target=run)
    worker.start()
    while not (tmp_path / "log").exists() or "\non" not in (tmp_path / "log").read_text():
        worker.join(0.01)
    commands.stop_all()
    worker.join(10)
    assert len(caught) == 1
    with pytest.raises(errors.Interrupted):
        commands.run(["true"], log=tmp_path / "log")
