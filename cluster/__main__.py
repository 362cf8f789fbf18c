"""`python3 -m cluster up|down|status|enter|kourier|eventing`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from cluster import (
    environment,
    errors,
    eventing,
    existing,
    kind,
    kourier,
    layout,
    local,
    node,
    platform,
    probe,
    progress,
    status,
    steps,
    teardown,
)

_LOCK = Path(f"/run/lock/mayfly-cluster-{os.geteuid()}.lock")
_EPILOG = """\
up      bring cluster and Mayfly up, or find that they are; writes .cluster/env and .cluster/kubeconfig
down    take it away; built programs and images stay in the cache
status  show what runs
enter   run a command inside the local cluster's node: python3 -m cluster enter -- ip address
kourier add Kourier to the running local cluster, to compare with; --remove takes it off
eventing add Knative Eventing to it, whose events Functions can take; --remove takes it off

MAYFLY_CLUSTER=existing|kind|local forces a kind of cluster; a KUBECONFIG of yours (with REGISTRY) is used as it is.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 failed or not healthy, 130 interrupted."""
    options = _parse(arguments)
    places = layout.find_layout()
    report = progress.Reporter()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.command == "up":
            up(places, report, bare=options.bare)
        elif options.command == "down":
            down(places, report)
        elif options.command == "status":
            return show(places, report)
        elif options.command == "kourier" and options.remove:
            kourier.remove(places, report=report)
        elif options.command == "kourier":
            report.say(f"Kourier answers at {kourier.install(places, report=report)}")
        elif options.command == "eventing":
            change = eventing.remove if options.remove else eventing.install
            change(places, report=report)
        else:
            enter(places, options.words)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again: it goes on from here.", file=sys.stderr)
        return 130
    except (errors.ClusterError, OSError) as error:
        print(f"\n{error}\n\nMend that and run the same command again; `down` first starts over.", file=sys.stderr)
        return 1
    return 0


def up(places: layout.Layout, report: progress.Reporter, *, bare: bool) -> None:
    """Bring the cluster and, unless it is to stay bare, Mayfly up, or find that they are."""
    began = time.monotonic()
    choice = _choose(places)
    report.say(f"Cluster: {choice.kind} ({choice.why})")
    with _alone(report):
        if choice.kind == "existing":
            places = existing.up(places, engine=probe.find_engine(), report=report)
        elif choice.kind == "kind":
            places = kind.up(places, engine=probe.need_engine(), report=report)
        else:
            local.refuse_unfit()
            teardown.clear_the_way(places)
            steps.run_all(local.make_steps(places), report=report)
        if bare:
            report.say(f"The cluster is up ({time.monotonic() - began:.1f} s), without Mayfly on it.")
            return
        steps.run_all(platform.make_steps(places), report=report)
        platform.call_sample(places, report)
    report.say(f"\nUp in {time.monotonic() - began:.1f} s.")


def down(places: layout.Layout, report: progress.Reporter) -> None:
    """Take away whatever was made here; a cluster of the user's stays as it is."""
    began = time.monotonic()
    with _alone(report):
        if teardown.find_leftovers(places):
            local.refuse_unfit()
            teardown.stop(places)
        engine = probe.find_engine()
        if engine and kind.exists(engine):
            kind.down(places, engine=engine)
        environment.remove(places)
    report.say(f"The cluster is gone ({time.monotonic() - began:.1f} s). What was built stays in {places.cache}.")


def show(places: layout.Layout, report: progress.Reporter) -> int:
    """Print what runs; return 0 if all of it is well, else 1."""
    rows = status.read(places)
    report.say(status.make_table(rows))
    return 0 if status.is_healthy(rows) else 1


def enter(places: layout.Layout, words: Sequence[str]) -> None:
    """Become a command inside the local cluster's node."""
    argv = [*node.enter(places), *(words or ["sh"])]
    os.execvp(argv[0], argv)  # noqa: S606


def _choose(places: layout.Layout) -> probe.Choice:
    """Return the kind of cluster; one that runs already settles it unless the user names another."""
    if not probe.choose_named(os.environ) and os.geteuid() == 0 and node.is_up(places):
        return probe.Choice("local", "it runs already")
    return probe.choose()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m cluster",
        description="A real Knative cluster on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("up", "down", "status", "enter", "kourier", "eventing"))
    parser.add_argument("--bare", action="store_true", help="up: stop before Mayfly is installed")
    parser.add_argument("--remove", action="store_true", help="kourier, eventing: take it off the cluster again")
    parser.add_argument("words", nargs="*", help="the command to enter with, after --")
    return parser.parse_args(arguments)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _alone(report: progress.Reporter) -> Iterator[None]:
    """Let one up or down run at a time on this machine."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("Another `up` or `down` is running on this machine; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
