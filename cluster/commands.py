"""Run sub-commands: output to a log file, failures with the end of that log, Ctrl-C to all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import errors

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()
_stopping = threading.Event()

TAIL_LINES = 15


def run(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    stdout: Path | None = None,
) -> None:
    """Run `argv` to its end with its output appended to `log` (standard output to `stdout` if given).

    Raises: errors.CommandFailed with the log's last lines; errors.Interrupted after stop_all().
    """
    words = [str(word) for word in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(words)[:2000]}\n".encode())
        sink.flush()
        target = stdout.open("wb") if stdout else None
        try:
            code = _wait(words, stdin=stdin, stdout=target or sink, stderr=sink, cwd=cwd, env=env)[0]
        finally:
            if target:
                target.close()
    if code:
        raise errors.CommandFailed(argv=words, code=code, log=log, tail=tail(log))


def output(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
) -> str:
    """Run `argv` and return its standard output; raise errors.CommandFailed with its standard error."""
    words = [str(word) for word in argv]
    code, out, err = _wait(
        words,
        stdin=None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        timeout_seconds=timeout_seconds,
    )
    if code:
        text = (err or b"").decode(errors="replace")
        raise errors.CommandFailed(argv=words, code=code, log=None, tail=text[-1500:])
    return (out or b"").decode()


def succeeds(argv: Sequence[str | Path], *, timeout_seconds: float = 20) -> bool:
    """Report whether `argv` runs and ends with code 0 within the time."""
    try:
        output(argv, timeout_seconds=timeout_seconds)
    except (errors.CommandFailed, OSError):
        return False
    return True


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, or nothing if it cannot be read."""
    try:
        text = log.read_bytes()[-8000:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def raise_if_stopping() -> None:
    """Raise errors.Interrupted once stop_all() was called; waits call it so that they end too."""
    if _stopping.is_set():
        raise errors.Interrupted("Interrupted")


def stop_all() -> None:
    """Terminate every running sub-command with its children, and refuse to start more."""
    with _lock:
        _stopping.set()
        running = list(_running)
    for process in running:
        _signal_group(process, signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGKILL)


def _wait(
    words: list[str],
    *,
    stdin: bytes | None,
    stdout: object,
    stderr: object,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    timeout_seconds: float | None = None,
) -> tuple[int, bytes | None, bytes | None]:
    with _lock:  # so that stop_all() sees every process there is
        raise_if_stopping()
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=stdout,  # type: ignore[call-overload]
            stderr=stderr,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        _running.add(process)
    try:
        out, err = process.communicate(stdin, timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        out, err = process.communicate()
        err = (err or b"") + f"gave no answer within {timeout_seconds} s".encode()
    finally:
        with _lock:
            _running.discard(process)
    raise_if_stopping()
    return process.returncode, out, err


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal the session we gave the sub-command; it is ours alone."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
