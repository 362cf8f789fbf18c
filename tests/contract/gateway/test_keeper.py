"""The process that keeps control running, with real processes for control."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mayfly.gateway import keeper
from tests import ports

KEEP = """
    import sys
    from mayfly.gateway import keeper
    patience = keeper.Patience(first=0.01, longest=0.05, silence=0.5, step=0.1)
    keeper.Keeper([sys.executable, "-c", sys.argv[1]], port=int(sys.argv[2]), patience=patience).run()
"""
NOTE = "import os, sys, time\nwith open({path!r}, 'a') as file: print(os.getpid(), file=file)\n"
HEALTHY = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", {port}), Handler)
server.serve_forever()
"""


@pytest.fixture
def keep(tmp_path: Path, free_port: int) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a keeper of a script that first notes its process id in ``pids``."""
    started = []

    def start(script: str) -> subprocess.Popen[bytes]:
        note = NOTE.format(path=str(tmp_path / "pids"))
        argv = [sys.executable, "-c", textwrap.dedent(KEEP), note + script, str(free_port)]
        started.append(subprocess.Popen(argv))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.fixture
def free_port() -> int:
    """Give a port that nobody listens on."""
    return ports.free_port()


def wait_pids(tmp_path: Path, count: int) -> list[int]:
    """Return the process ids of the first ``count`` starts."""
    deadline = time.monotonic() + 30
    while True:
        file = tmp_path / "pids"
        pids = [int(line) for line in file.read_text().split()] if file.exists() else []
        if len(pids) >= count:
            return pids[:count]
        assert time.monotonic() < deadline, pids
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_control_that_ends_is_started_again(keep, tmp_path):
    """Whatever its exit code, for as long as it takes; the keeper lives on."""
    process = keep("sys.exit(0)")
    assert len(set(wait_pids(tmp_path, 4))) == 4
    assert process.poll() is None


def test_control_that_is_killed_is_started_again(keep, tmp_path):
    """SIGKILL, as the kernel sends it to who has no memory left."""
    process = keep("time.sleep(600)")
    [first] = wait_pids(tmp_path, 1)
    os.kill(first, signal.SIGKILL)
    wait_pids(tmp_path, 2)
    assert process.poll() is None


def test_control_that_answers_is_left_alone_and_one_that_hangs_is_killed(keep, tmp_path, free_port):
    """No answer for the time of patience counts as hanging, also when control once answered."""
    keep(HEALTHY.format(port=free_port))
    [first] = wait_pids(tmp_path, 1)
    deadline = time.monotonic() + 30
    while not keeper.answers(free_port, seconds=1):
        assert time.monotonic() < deadline
    os.kill(first, signal.SIGSTOP)
    assert wait_pids(tmp_path, 2)[1] != first
    assert not lives(first)
    os.kill(wait_pids(tmp_path, 2)[1], 0)


def test_who_is_asked_to_end_ends_control_first(keep, tmp_path):
    """SIGTERM reaches control, which may finish; then both are gone, and nothing is started again."""
    script = "import signal\nsignal.signal(15, lambda *_: (open({path!r}, 'w').close(), sys.exit(0)))\ntime.sleep(600)"
    process = keep(script.format(path=str(tmp_path / "finished")))
    [pid] = wait_pids(tmp_path, 1)
    deadline = time.monotonic() + 30
    while "handled" not in _signals(pid):
        assert time.monotonic() < deadline
    process.terminate()
    assert process.wait(10) == 0
    assert (tmp_path / "finished").exists()
    assert not lives(pid)


def _signals(pid: int) -> str:
    """Return "handled" when the process has a handler for SIGTERM (proc(5), SigCgt)."""
    [mask] = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line]
    return "handled" if int(mask, 16) >> (signal.SIGTERM - 1) & 1 else ""
