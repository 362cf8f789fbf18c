"""How far a Function has come, read from its status alone."""

from __future__ import annotations

import pytest

from mayfly.cli import board, follow, progress
from mayfly.model import status


def make(generation=2, observed=2, build=None, **conditions):
    """Return a Function with conditions given as Built="True" or Built=("False", reason, message)."""
    rows = []
    for kind, value in conditions.items():
        status, reason, message = (value, "", "") if isinstance(value, str) else value
        rows.append(
            {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": observed}
        )
    return {
        "metadata": {"name": "cart", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": rows, "build": build or {}},
    }


def states(obj):
    return [step.state for step in progress.read(obj).steps]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (make(), ["running", "waiting", "waiting"]),
        (make(Built="Unknown"), ["running", "waiting", "waiting"]),
        (make(Built="True"), ["done", "running", "waiting"]),
        (make(Built="True", Deployed="Unknown", Routed="True"), ["done", "running", "waiting"]),
        (make(Built="True", Deployed="True"), ["done", "done", "running"]),
        (make(Built="True", Deployed="True", Routed="True", Ready="True"), ["done", "done", "done"]),
        (make(Built="False"), ["failed", "waiting", "waiting"]),
        (make(Built="True", Deployed="False"), ["done", "failed", "waiting"]),
        (
            make(observed=1, Built="True", Deployed="True", Routed="True", Ready="True"),
            ["running", "waiting", "waiting"],
        ),
    ],
    ids=["new", "building", "built", "rolling out", "routing", "ready", "build failed", "crash", "old status"],
)
def test_steps_follow_one_another(obj, expected):
    assert states(obj) == expected


def test_triggers_are_a_step_where_there_are_some():
    obj = make(
        Built="True", Deployed="True", Routed="True", Triggered=("False", "InvalidFilter", "spec.triggers[0]: x")
    )
    assert states(obj) == ["done", "done", "done"]
    assert states(obj | {"spec": {"triggers": [{"event": {"type": "a"}}]}}) == ["done", "done", "done", "failed"]


def test_an_old_status_is_neither_success_nor_failure():
    """What the status says of the spec before does not end the wait."""
    assert not progress.read(make(observed=1, Ready="True")).final
    assert not progress.read(make(observed=1, Ready=("False", "X", "y"))).final
    assert not progress.read({"metadata": {"name": "cart", "generation": 1}}).final


def test_a_failed_build_brings_its_log():
    obj = make(
        Built=("False", "SyntaxError", "main.py:1: bad"),
        Ready=("False", "SyntaxError", "main.py:1: bad"),
        build={"log": ["line 1", "line 2"]},
    )
    failure = progress.read(obj).failure
    assert follow.describe_failure("cart", failure) == (
        "cart is not ready: SyntaxError: main.py:1: bad\nbuild log, last lines:\n  line 1\n  line 2"
    )


def test_the_log_of_a_failed_build_repeats_nothing():
    """The steps stand above it, and the message is its last lines."""
    message = "no such package\nerror: uv says so\n  cause: it looked"
    log = ["plan: 0.001 s, main:f", "not pinned: x", "error: uv says so", "  cause: it looked", "Bad: no such package"]
    obj = make(
        Built=("False", "Bad", message),
        Ready=("False", "Bad", message),
        build={"log": [*log, *message.splitlines()[1:]], "steps": [{"name": "plan", "seconds": 0.001}]},
    )
    assert progress.read(obj).failure.log == ("not pinned: x",)


def test_a_crash_after_a_good_build_does_not_print_the_build_log():
    obj = make(Built="True", Deployed=("False", "X", "y"), Ready=("False", "X", "y"), build={"log": ["fine"]})
    assert progress.read(obj).failure.log == ()


def test_build_steps_are_shown_with_their_seconds():
    build = {"steps": [{"name": "resolve", "seconds": 0.5, "detail": "cached"}, {"name": "push", "seconds": 1}]}
    [step, *_] = progress.read(make(Built="True", build=build)).steps
    assert board.format_row(step, 1.75) == [
        "  build          1.75 s",
        "    resolve      0.50 s  cached",
        "    push         1.00 s",
    ]


def test_a_timeout_says_where_it_stands():
    assert "the controller has not looked at it" in follow.describe_wait({"metadata": {"name": "cart"}}, 5)
    waiting = follow.describe_wait(make(Built="True", Deployed=("Unknown", "ImagePull", "")), 5)
    assert "at step 'roll out' (ImagePull" in waiting
    assert "mayfly get cart -n default" in waiting


def test_elsewhere_than_on_a_terminal_each_finished_step_is_one_line(capsys):
    with board.Board() as shown:
        shown.begin("upload")
        shown.finish("upload", "3 files")
        shown.show(*progress.read(make(Built="True")).steps)
        shown.show(*progress.read(make(Built="True")).steps)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split()[0] for line in lines] == ["upload", "build"]
    assert lines[0].endswith("s  3 files")
    assert "\033" not in captured.err


def test_a_build_of_before_is_not_shown_as_work_of_now():
    build = {"request": "r1", "steps": [{"name": "push", "seconds": 1}]}
    [step, *_] = progress.read(make(Built="True", build=build), known_build="r1").steps
    assert (step.detail, step.parts) == ("nothing to build", ())
    [step, *_] = progress.read(make(Built="True", build=build), known_build="r0").steps
    assert len(step.parts) == 1


def test_a_long_remark_is_cut():
    [_, part] = board.format_row(progress.Step("build", "done", "", (("push", 1.0, "x" * 100),)), 1.0)
    assert part.endswith("x…")
    assert len(part) < 90


def test_the_steps_are_the_conditions_of_the_model():
    assert [*progress.STEPS, progress.READY] == list(status.ConditionType)


def test_a_want_of_nodes_is_waited_for_and_said_once(capsys):
    full = ("False", "Unschedulable", "0/1 nodes are available")
    obj = make(Built="True", Deployed=full, Ready=full)
    snapshot = progress.read(obj)
    assert not snapshot.final
    assert [step.state for step in snapshot.steps] == ["done", "running", "waiting"]
    told = follow.tell_obstacle(obj, follow.tell_obstacle(obj, ""))
    assert told == "0/1 nodes are available"
    assert capsys.readouterr().err == "waiting: Unschedulable: 0/1 nodes are available\n"
