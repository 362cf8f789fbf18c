"""Steps as data, and the one loop that runs them: each after those it needs, as many at once as can be."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Sequence

from cluster import commands, errors, progress

WORKERS = 6


@dataclasses.dataclass(frozen=True)
class Step:
    """One named piece of the way up.

    run: does it; may be called again after it was cut off anywhere.
    done: reports whether there is nothing to do; looks at what is really there.
    after: names of the steps it needs; None means all that are listed before it.
    """

    name: str
    run: Callable[[], None]
    done: Callable[[], bool]
    after: tuple[str, ...] | None = None


def plan_order(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """Return the names each step waits for. Pure.

    Raises: errors.ClusterError for a double name, or a need that is not listed before its step.
    """
    needs: dict[str, frozenset[str]] = {}
    for step in steps:
        if step.name in needs:
            raise errors.ClusterError(f"Two steps are named {step.name!r}; give each its own name.")
        wanted = frozenset(needs) if step.after is None else frozenset(step.after)
        if missing := wanted - set(needs):
            raise errors.ClusterError(
                f"Step {step.name!r} comes after {sorted(missing)}, not listed before it; reorder the list."
            )
        needs[step.name] = wanted
    return needs


def pick_ready(needs: dict[str, frozenset[str]], *, started: set[str], finished: set[str]) -> list[str]:
    """Return the steps that can start now, in list order. Pure."""
    return [name for name, wanted in needs.items() if name not in started and wanted <= finished]


def run_all(steps: Sequence[Step], *, report: progress.Reporter) -> None:
    """Run all steps; on the first failure or Ctrl-C end the running ones and raise it."""
    needs = plan_order(steps)
    by_name = {step.name: step for step in steps}
    started: set[str] = set()
    finished: set[str] = set()
    pending: dict[concurrent.futures.Future[bool], tuple[str, float]] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        try:
            while len(finished) < len(steps):
                for name in pick_ready(needs, started=started, finished=finished):
                    pending[pool.submit(_run_one, by_name[name])] = (name, time.monotonic())
                    started.add(name)
                ended, _ = concurrent.futures.wait(pending, timeout=0.1, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in ended:
                    name, since = pending.pop(future)
                    worked = future.result()
                    report.finish(name, seconds=time.monotonic() - since, worked=worked)
                    finished.add(name)
                report.show(dict(pending.values()))
            report.end()
        except BaseException:
            report.clear()
            pool.shutdown(wait=False, cancel_futures=True)
            commands.stop_all()
            raise


def _run_one(step: Step) -> bool:
    """Run one step unless it is done; report whether there was work."""
    if step.done():
        return False
    try:
        step.run()
    except (OSError, errors.ClusterError) as error:
        raise errors.ClusterError(f"Step {step.name!r} failed: {error}") from error
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str, hint: Callable[[], str] = str) -> None:
    """Wait until the condition holds; raise errors.ClusterError naming `what` and the hint if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        commands.raise_if_stopping()
        if time.monotonic() > deadline:
            raise errors.ClusterError(f"{what} did not happen within {seconds:.0f} s.\n{hint()}".rstrip())
        time.sleep(0.1)
