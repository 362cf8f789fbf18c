"""Take the local cluster away: every process, mount, link, rule, control group and file of it.

Only what runs in the cluster's own control groups is ended; nothing is found by name.
"""

from __future__ import annotations

import os
import shutil
import time

from cluster import cgroups, errors, layout, node, processes, registry

GRACE_SECONDS = 8.0
REAPING_SECONDS = 3.0


def clear_the_way(places: layout.Layout) -> None:
    """Remove what a cluster whose node is gone has left; leave a living one alone."""
    if not node.is_up(places) and find_leftovers(places):
        stop(places)
    for directory in (places.logs, places.processes, places.stamps, places.cache):
        directory.mkdir(parents=True, exist_ok=True)


def stop(places: layout.Layout) -> None:
    """End every process of the cluster, then remove its groups, link, rules and state.

    The registry is asked to end, since what it holds is kept; all others are killed, since nothing of theirs is.
    Raises: errors.ClusterError naming what could not be removed.
    """
    kept = processes.find(places.processes / "registry.json")
    if kept:
        processes.stop([kept], grace_seconds=GRACE_SECONDS)
        os.sync()
        registry.mark_clean(places)
    _end_members()
    node.remove(places)
    _remove_groups()
    shutil.rmtree(places.state, ignore_errors=True)
    if leftovers := find_leftovers(places):
        raise errors.ClusterError("These are left and could not be removed: " + "; ".join(leftovers))


def find_leftovers(places: layout.Layout) -> list[str]:
    """Return what a stopped cluster must not leave, as words; empty if all is clean."""
    found = [f"process {pid}" for pid in sorted(cgroups.members())]
    found += [f"control group {path}" for path in cgroups.remaining()]
    found += node.remaining()
    if places.state.exists():
        found.append(f"directory {places.state}")
    return found


def _end_members() -> None:
    """Kill what is in the cluster's control groups, containers and shims, until nothing is."""
    ended: set[int] = set()
    deadline = time.monotonic() + 10
    while (pids := cgroups.members()) and time.monotonic() < deadline:
        ended |= pids
        processes.stop([each for pid in pids if (each := processes.identify(pid))], grace_seconds=0)
        time.sleep(0.02)  # a process that is already dead leaves its group a moment late
    deadline = time.monotonic() + REAPING_SECONDS
    while any(processes.is_zombie(pid) for pid in ended) and time.monotonic() < deadline:
        time.sleep(0.02)  # its new parent, the machine's init, takes its exit code


def _remove_groups() -> None:
    """Remove the control groups; the kernel lets go of an emptied one a moment late."""
    deadline = time.monotonic() + 5
    while cgroups.remaining() and time.monotonic() < deadline:
        cgroups.remove()
        time.sleep(0.05)
