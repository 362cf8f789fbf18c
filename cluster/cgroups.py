"""The cluster's own control groups: /mayfly in every hierarchy, daemons in one leaf, pods beside it.

Everything that runs in these groups was started by the cluster, containers and their shims included,
so they are also the complete list of what `down` must end.
Sources: Linux Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.
"""

from __future__ import annotations

import os
from pathlib import Path

from cluster import layout

_ROOT = Path("/sys/fs/cgroup")


def is_unified() -> bool:
    """Report whether the machine has cgroup v2 alone."""
    return (_ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Return the mount points of all hierarchies: one on cgroup v2, one per controller on v1."""
    if is_unified():
        return [_ROOT]
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and Path(where).parent == _ROOT:
            found.append(Path(where))
    return found


def make() -> None:
    """Create the groups; on v2 hand the controllers down, on v1 copy the cpuset, empty when new."""
    for hierarchy in hierarchies():
        for group in (hierarchy / layout.CGROUP, hierarchy / layout.CGROUP / "daemons"):
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if hierarchy.name == "cpuset" and not (group / name).read_text().strip():
                    (group / name).write_text((group.parent / name).read_text())
        if is_unified():
            _delegate(hierarchy)


def entry_files() -> list[Path]:
    """Return the files a daemon writes its process id to."""
    return [h / layout.CGROUP / "daemons" / "cgroup.procs" for h in hierarchies()]


def members() -> set[int]:
    """Return the ids of all processes in the cluster's groups."""
    pids: set[int] = set()
    for group in _groups():
        try:
            text = (group / "cgroup.procs").read_text()
        except OSError:  # the group went away meanwhile
            continue
        pids.update(int(word) for word in text.split())
    return pids - {os.getpid(), 0}


def remove() -> None:
    """Remove the groups, innermost first; those that still hold processes stay."""
    for group in _groups():
        try:
            group.rmdir()
        except OSError:  # busy: the caller sees it in remaining()
            continue


def remaining() -> list[Path]:
    """Return the groups that still exist."""
    return _groups()


def _groups() -> list[Path]:
    """List all our groups, innermost first."""
    found = []
    for hierarchy in hierarchies():
        for where, _, _ in os.walk(hierarchy / layout.CGROUP, topdown=False):
            found.append(Path(where))
    return found


def _delegate(hierarchy: Path) -> None:
    for group in (hierarchy, hierarchy / layout.CGROUP):
        have = (group / "cgroup.controllers").read_text().split()
        for controller in have:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
