"""The order of steps, and the loop that runs them."""

from __future__ import annotations

import io
import threading

import pytest

from cluster import commands, errors, layout, local, progress, steps


def make(name, *, after=None, log=None, done=False, fail=None):
    """Return a step that notes its name in `log`, or raises `fail`."""

    def run():
        if fail:
            raise fail
        if log is not None:
            log.append(name)

    return steps.Step(name, run=run, done=lambda: done, after=after)


@pytest.fixture
def report():
    """Return a reporter that writes to memory."""
    return progress.Reporter(io.StringIO())


@pytest.fixture(autouse=True)
def _may_run_again(monkeypatch):
    """A failed run refuses new sub-commands for the rest of the process; give each test its own switch."""
    monkeypatch.setattr(commands, "_stopping", threading.Event())


def test_a_step_without_needs_waits_for_all_before_it():
    """Steps appended to the list come after everything else."""
    needs = steps.plan_order([make("a", after=()), make("b", after=()), make("c")])
    assert needs == {"a": frozenset(), "b": frozenset(), "c": frozenset({"a", "b"})}


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        ([make("a"), make("a")], "'a'"),
        ([make("a", after=("b",)), make("b", after=())], "'b'"),
    ],
    ids=["double name", "need listed later"],
)
def test_a_wrong_list_is_refused(plan, word):
    """The message names the step to mend."""
    with pytest.raises(errors.ClusterError, match=word):
        steps.plan_order(plan)


def test_only_what_waits_for_nothing_starts():
    """A step starts once all it needs are finished, and once only."""
    needs = steps.plan_order([make("a", after=()), make("b", after=("a",)), make("c", after=())])
    assert steps.pick_ready(needs, started=set(), finished=set()) == ["a", "c"]
    assert steps.pick_ready(needs, started={"a", "c"}, finished={"a"}) == ["b"]


def test_steps_run_in_order_and_done_ones_do_not(report):
    """A done step is skipped and what needs it still runs."""
    log: list[str] = []
    plan = [make("a", log=log, after=()), make("b", log=log, done=True), make("c", log=log)]
    steps.run_all(plan, report=report)
    assert log == ["a", "c"]


def test_independent_steps_overlap(report):
    """Two steps that need nothing from each other run at the same time."""
    meeting = threading.Barrier(2, timeout=10)
    plan = [
        steps.Step("a", run=meeting.wait, done=lambda: False, after=()),
        steps.Step("b", run=meeting.wait, done=lambda: False, after=()),
    ]
    steps.run_all(plan, report=report)
    assert not meeting.broken


def test_a_failure_names_its_step_and_ends_the_run(report):
    """What comes after a failed step does not run."""
    log: list[str] = []
    plan = [make("a", fail=errors.ClusterError("no disk")), make("b", log=log)]
    with pytest.raises(errors.ClusterError, match="'a' failed: no disk"):
        steps.run_all(plan, report=report)
    assert log == []


def test_a_wait_names_what_never_came():
    """The message says what was awaited, and the hint says why it may be missing."""
    with pytest.raises(errors.ClusterError, match=r"The moon did not happen within 0 s\.\nlook up"):
        steps.wait_until(lambda: False, seconds=0, what="The moon", hint=lambda: "look up")


def test_the_local_plan_is_sound(tmp_path):
    """Every need of the local cluster's steps is listed before it, and the first can start at once."""
    places = layout.Layout(clone=tmp_path, state=tmp_path / "state", cache=tmp_path / "cache")
    needs = steps.plan_order(local.make_steps(places))
    assert steps.pick_ready(needs, started=set(), finished=set()) == ["install Debian packages"]
    assert list(needs)[-1] == "write .cluster"
