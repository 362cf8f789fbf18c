"""Start, recognise and stop the cluster's daemons.

A process id alone proves nothing: ids are reused. A record therefore also holds the start time
(field 22 of /proc/PID/stat, proc(5)) and the boot it happened in; only if all three agree is it ours.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from cluster import cgroups, errors

# The shell enters the control groups, then becomes the daemon: the id stays the same.
_ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 111; shift; n=$((n-1)); done; exec "$@"'


@dataclasses.dataclass(frozen=True)
class Identity:
    """One process of one boot."""

    pid: int
    started: int
    boot: str


def read_boot() -> str:
    """Return the id of this boot (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def parse_start(stat: str) -> tuple[str, int]:
    """Return (state, start time) from the text of /proc/PID/stat; the name in it may hold anything.

    >>> parse_start("7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0")
    ('S', 4242)
    """
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def identify(pid: int) -> Identity | None:
    """Return the identity of a live process, or None if there is none (a zombie is dead)."""
    try:
        state, started = parse_start(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, IndexError, ValueError):
        return None
    return None if state in "ZX" else Identity(pid=pid, started=started, boot=read_boot())


def is_zombie(pid: int) -> bool:
    """Report whether the process has ended and waits for its parent to notice."""
    try:
        return parse_start(Path(f"/proc/{pid}/stat").read_text())[0] == "Z"
    except (OSError, IndexError, ValueError):
        return False


def read_record(path: Path) -> Identity | None:
    """Return the identity a record holds, or None if it is missing or torn."""
    try:
        data = json.loads(path.read_text())
        return Identity(pid=int(data["pid"]), started=int(data["started"]), boot=str(data["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, identity: Identity, argv: Sequence[str]) -> None:
    """Write a record in one rename, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({**dataclasses.asdict(identity), "argv": list(argv)}))
    fresh.rename(path)


def find(path: Path) -> Identity | None:
    """Return the recorded process if that very process still lives."""
    recorded = read_record(path)
    return recorded if recorded and identify(recorded.pid) == recorded else None


def start(*, name: str, argv: Sequence[str | Path], records: Path, logs: Path) -> Identity:
    """Start a daemon in its own session and control group, record it, and return its identity.

    Its log starts empty at each start.
    """
    words = [str(word) for word in argv]
    files = [str(path) for path in cgroups.entry_files()]
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["sh", "-c", _ENTER, "sh", str(len(files)), *files, *words],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            cwd="/",
        )
    identity = identify(process.pid)
    if identity is None:
        raise errors.ClusterError(f"{name} ended at once; see {log}")
    write_record(records / f"{name}.json", identity, words)
    return identity


def stop(identities: Sequence[Identity], *, grace_seconds: float) -> None:
    """Ask the processes to end, wait until they have, and kill those that have not; with no grace kill at once."""
    asks = [(signal.SIGTERM, grace_seconds)] if grace_seconds else []
    for number, patience in [*asks, (signal.SIGKILL, 10.0)]:
        alive = [each for each in identities if identify(each.pid) == each]
        for each in alive:
            _signal(each, number)
        wait_gone(alive, deadline=time.monotonic() + patience)


def wait_gone(identities: Sequence[Identity], *, deadline: float) -> bool:
    """Wait until none of the processes lives; report whether that came true in time."""
    while any(identify(each.pid) == each for each in identities):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _signal(identity: Identity, number: int) -> None:
    """Signal through a pid file descriptor, so that a reused id is never hit."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return
    try:
        if identify(identity.pid) == identity:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
