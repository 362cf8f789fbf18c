"""Find the processes of a cluster's containers on this machine.

The nodes of the local cluster and of kind run here, so their processes are visible, and each one's control group ends
in the id of its container (cgroups(7), proc(5)).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def find_processes(pod: Mapping[str, Any], container: str) -> list[int]:
    """Return the ids of the processes in a pod's container, oldest first; none when it does not run.

    Raises:
        LookupError: the container runs, but not on this machine.
    """
    statuses = pod["status"].get("containerStatuses", ())
    [status] = [status for status in statuses if status["name"] == container]
    if "running" not in status["state"]:
        return []
    name = status["containerID"].rpartition("/")[2]
    found = [pid for pid in _all_processes() if name in _read(pid, "cgroup")]
    if not found:
        raise LookupError(f"container {container} of {pod['metadata']['name']} has no process on this machine")
    return sorted(found, key=_started)


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that the processes have used, in user and kernel mode."""
    return sum(int(field) for pid in pids for field in _fields(pid)[11:13]) / TICKS


def resident_bytes(pids: list[int]) -> int:
    """Return the memory of the processes that is in use now (VmRSS)."""
    lines = (line for pid in pids for line in _read(pid, "status").splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def command(pid: int) -> list[str]:
    """Return the arguments that a process was started with; empty when it is gone."""
    return _read(pid, "cmdline").split("\0")[:-1]


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _started(pid: int) -> int:
    """Return when a process started, in ticks since the boot; 0 when it is gone."""
    return int(fields[19]) if (fields := _fields(pid)) else 0


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, none when it is gone; the name may hold anything."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
