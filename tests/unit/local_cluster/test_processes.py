"""A process is known by more than its number."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time

import pytest

from cluster import processes


@pytest.fixture
def child():
    """Return a child that lives until told to end."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def test_a_live_process_is_found_by_its_record(tmp_path, child):
    """Writing and reading a record gives the same process back."""
    identity = processes.identify(child.pid)
    processes.write_record(tmp_path / "it.json", identity, ["sleep", "1000"])
    assert processes.find(tmp_path / "it.json") == identity


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}], ids=["reused id", "another boot"])
def test_a_number_alone_is_not_the_process(tmp_path, child, change):
    """A process with the same id that started at another time or in another boot is not ours."""
    identity = dataclasses.replace(processes.identify(child.pid), **change)
    processes.write_record(tmp_path / "it.json", identity, [])
    assert processes.find(tmp_path / "it.json") is None


@pytest.mark.parametrize("text", ["", "{", "{}", '{"pid": "x"}', "[]"], ids=["empty", "torn", "bare", "word", "list"])
def test_a_torn_record_is_no_record(tmp_path, text):
    """A record cut off by a crash reads as a dead process."""
    (tmp_path / "it.json").write_text(text)
    assert processes.read_record(tmp_path / "it.json") is None


def test_a_zombie_is_dead(child):
    """A process that has ended and is not reaped yet does not count as alive."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.identify(child.pid) is None
    assert processes.is_zombie(child.pid)


def test_stop_ends_a_process_that_ignores_being_asked():
    """After the grace the process is killed."""
    script = "trap '' TERM; echo ready; while :; do sleep 1000; done"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as process:
        process.stdout.readline()
        identity = processes.identify(process.pid)
        try:
            processes.stop([identity], grace_seconds=0.05)
            assert processes.identify(process.pid) is None
        finally:
            os.killpg(process.pid, 9)  # its sleep


def test_stop_leaves_another_process_of_that_number_alone(child):
    """A recorded process that is gone is not mistaken for the one that has its number now."""
    processes.stop([dataclasses.replace(processes.identify(child.pid), started=1)], grace_seconds=0)
    assert child.poll() is None


def test_waiting_has_an_end(child):
    """The wait gives up at its deadline and says so."""
    assert not processes.wait_gone([processes.identify(child.pid)], deadline=time.monotonic())


@pytest.mark.parametrize("name", ["plain", "with space", ") R 1 (", "a)b"])
def test_the_start_time_is_read_behind_any_name(name):
    """The name field of /proc/PID/stat may hold spaces and brackets."""
    stat = f"7 ({name}) S " + " ".join(str(number) for number in range(4, 53))
    assert processes.parse_start(stat) == ("S", 22)
