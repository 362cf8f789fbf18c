"""`python3 -m cluster up|down|status`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cluster import environment, errors, layout, local, progress, steps, teardown

_LOCK = Path("/run/lock/mayfly-cluster.lock")


def up(places: layout.Layout, report: progress.Reporter) -> None:
    """Bring the cluster up, or find that it is."""
    local.refuse_unfit()
    began = time.monotonic()
    with _alone(report):
        teardown.clear_the_way(places)
        steps.run_all(local.make_steps(places), report=report)
    report.say(f"The cluster is up ({time.monotonic() - began:.1f} s). Next: . {places.output}/env")


def down(places: layout.Layout, report: progress.Reporter) -> None:
    """Take the cluster away; what is built stays in the cache."""
    local.refuse_unfit()
    began = time.monotonic()
    with _alone(report):
        teardown.stop(places)
        environment.remove(places)
    report.say(f"The cluster is gone ({time.monotonic() - began:.1f} s). Built programs stay in {places.cache}.")


def main() -> int:
    """Run one command; return the exit code: 0 done, 1 failed, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m cluster", description="A Knative cluster on this machine.")
    parser.add_argument("command", choices=("up", "down"))
    arguments = parser.parse_args()
    report = progress.Reporter()
    commands = {"up": up, "down": down}
    try:
        commands[arguments.command](layout.find_layout(), report)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on from here.", file=sys.stderr)
        return 130
    except errors.ClusterError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _alone(report: progress.Reporter) -> Iterator[None]:
    """Let one up or down run at a time on this machine."""
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("Another `up` or `down` is running on this machine; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
