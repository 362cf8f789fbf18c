"""A daemon: a program of the node with what proves it ready; started at most once, restarted if it died."""

from __future__ import annotations

import dataclasses
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from cluster import commands, errors, layout, node, processes, steps

READY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Daemon:
    """One long-running program inside the node.

    argv: gives its command line, called when it is started.
    ready: reports whether it answers; None means that being alive is enough.
    prepare: writes its configuration files first.
    """

    name: str
    argv: Callable[[], list[str | Path]]
    ready: Callable[[], bool] | None = None
    prepare: Callable[[], None] | None = None


def is_alive(places: layout.Layout, name: str) -> bool:
    """Report whether the recorded process of that name lives."""
    return processes.find(places.processes / f"{name}.json") is not None


def is_running(places: layout.Layout, daemon: Daemon) -> bool:
    """Report whether the daemon lives and answers."""
    return is_alive(places, daemon.name) and (daemon.ready is None or daemon.ready())


def start(places: layout.Layout, daemon: Daemon) -> None:
    """Start the daemon unless it lives, then wait until it is ready.

    Raises: errors.ClusterError with the end of its log if it ends or never answers.
    """
    log = places.logs / f"{daemon.name}.log"
    if not is_alive(places, daemon.name):
        if daemon.prepare:
            daemon.prepare()
        argv = [*node.enter(places), *daemon.argv()]
        processes.start(name=daemon.name, argv=argv, records=places.processes, logs=places.logs)
    steps.wait_until(
        lambda: not is_alive(places, daemon.name) or daemon.ready is None or daemon.ready(),
        seconds=READY_SECONDS,
        what=f"The readiness of {daemon.name}",
        hint=lambda: f"The end of {log}:\n{commands.tail(log)}",
    )
    if not is_alive(places, daemon.name):
        raise errors.ClusterError(f"{daemon.name} ended. The end of {log}:\n{commands.tail(log)}")


def step(places: layout.Layout, daemon: Daemon, *, after: tuple[str, ...]) -> steps.Step:
    """Return the step that has the daemon running."""
    return steps.Step(
        name=f"start {daemon.name}",
        run=lambda: start(places, daemon),
        done=lambda: is_running(places, daemon),
        after=after,
    )


def answers_http(url: str) -> bool:
    """Report whether a GET of `url` is answered with 2xx."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def accepts(where: str | Path) -> bool:
    """Report whether a Unix socket accepts a connection."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(where))
        except OSError:
            return False
    return True
