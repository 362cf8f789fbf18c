"""Speak to the cluster by its kubectl."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from cluster import commands, errors, layout, programs


def find_program(places: layout.Layout) -> Path:
    """Return the kubectl built here, else the one on the PATH.

    Raises: errors.ClusterError naming the fix if there is neither.
    """
    if programs.is_built(places, "kubernetes"):
        return programs.path(places, "kubernetes", "kubectl")
    found = shutil.which("kubectl")
    if found is None:
        raise errors.ClusterError("This needs `kubectl` on the PATH: https://kubernetes.io/docs/tasks/tools/")
    return Path(found)


def words(places: layout.Layout) -> list[str | Path]:
    """Return the start of every command line."""
    return [
        find_program(places),
        "--kubeconfig",
        places.admin_kubeconfig,
        "--cache-dir",
        places.state / "kubectl-cache",
    ]


def run(places: layout.Layout, *arguments: str | Path) -> None:
    """Run kubectl; raise errors.CommandFailed with its last lines if it fails."""
    commands.run([*words(places), *arguments], log=places.logs / "kubectl.log")


def read(places: layout.Layout, *arguments: str | Path) -> str:
    """Return what kubectl prints; raise errors.CommandFailed if it fails."""
    return commands.output([*words(places), *arguments, "--request-timeout=10s"])


def apply(places: layout.Layout, *paths: Path, attempts: int = 1) -> None:
    """Apply files and directories by server-side apply, taking fields over; try again if asked to."""
    files = [word for path in paths for word in ("-f", path)]
    for attempt in range(1, attempts + 1):
        try:
            run(places, "apply", "--server-side", "--force-conflicts", *files)
        except errors.CommandFailed:
            if attempt == attempts:
                raise
            time.sleep(1)
        else:
            return
