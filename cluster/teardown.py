"""Take the local cluster away: every process, mount, link, rule, control group and file of it.

Only what is recorded, or runs in the cluster's own control groups, is ended; nothing is found by name.
"""

from __future__ import annotations

import os
import shutil
import time

from cluster import cgroups, errors, layout, node, processes, registry

GRACE_SECONDS = 8.0
# They would start pods again.
_FIRST = ("kubelet", "kube-controller-manager", "kube-scheduler")


def clear_the_way(places: layout.Layout) -> None:
    """Remove what a cluster whose node is gone has left; leave a living one alone."""
    if not node.is_up(places) and find_leftovers(places):
        stop(places)
    for directory in (places.logs, places.processes, places.stamps, places.cache):
        directory.mkdir(parents=True, exist_ok=True)


def stop(places: layout.Layout) -> None:
    """End every process of the cluster, then remove its groups, link, rules and state.

    The node goes last: with it go the link and the mounts.
    Raises: errors.ClusterError naming what could not be removed.
    """
    records = {path.stem: processes.find(path) for path in sorted(places.processes.glob("*.json"))}
    living = {name: identity for name, identity in records.items() if identity}
    processes.stop([each for name, each in living.items() if name in _FIRST], grace_seconds=2)
    _end_members(keep={each.pid for each in living.values()})
    processes.stop([each for name, each in living.items() if name != "node"], grace_seconds=GRACE_SECONDS)
    _end_members(keep=set())
    if "registry" in living:
        os.sync()
        registry.mark_clean(places)
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


def _end_members(keep: set[int]) -> None:
    """End the processes in the cluster's control groups: containers and their shims."""
    pods = [identity for pid in cgroups.members() - keep if (identity := processes.identify(pid))]
    processes.stop(pods, grace_seconds=1.0)


def _remove_groups() -> None:
    """Remove the control groups; the kernel lets go of an emptied one a moment late."""
    deadline = time.monotonic() + 5
    while cgroups.remaining() and time.monotonic() < deadline:
        cgroups.remove()
        time.sleep(0.05)
