"""Show steps as they go: moving on a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import Any, Self

from mayfly.cli import progress, talk

_MARKS = {"done": ("✓", "green"), "failed": ("✗", "red"), "running": ("…", "cyan"), "waiting": (" ", "dim")}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 10
_LONGEST_REMARK = 60


@dataclasses.dataclass
class _Row:
    step: progress.Step
    began: float | None = None
    ended: float | None = None

    def seconds(self, now: float) -> float | None:
        """Return how long the step took, or has taken so far; ``None`` before it began."""
        return None if self.began is None else (self.ended or now) - self.began


class Board:
    """The steps of one deployment with their clocks; use as a context."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._live: Any = None

    def __enter__(self) -> Self:
        if not talk.is_plain(sys.stderr):
            from rich import console, live  # noqa: PLC0415  (slow, and only for terminals)

            self._live = live.Live(
                console=console.Console(stderr=True), get_renderable=self._render, refresh_per_second=_FRAMES_PER_SECOND
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def begin(self, name: str) -> None:
        """Start the clock of a step of our own."""
        self.show(progress.Step(name, "running"))

    def finish(self, name: str, detail: str = "") -> None:
        """Stop the clock of a step of our own."""
        self.show(progress.Step(name, "done", detail))

    def show(self, *steps: progress.Step) -> None:
        """Take the news of some steps; a step that ended keeps its time."""
        now = time.monotonic()
        for step in steps:
            row = self._rows.setdefault(step.name, _Row(step))
            finished = row.ended is not None
            row.step = step
            if step.state != "waiting" and row.began is None:
                row.began = now
            if step.state in {"done", "failed"} and not finished:
                row.ended = now
                if self._live is None:
                    self._print(row, now)

    def _print(self, row: _Row, now: float) -> None:
        for line in format_row(row.step, row.seconds(now)):
            talk.say(line)

    def _render(self) -> Any:
        from rich import text  # noqa: PLC0415

        now = time.monotonic()
        result = text.Text(no_wrap=True, overflow="ellipsis")
        for row in self._rows.values():
            mark, style = _MARKS[row.step.state]
            if row.step.state == "running":
                mark = _FRAMES[int(now * _FRAMES_PER_SECOND) % len(_FRAMES)]
            first, *rest = format_row(row.step, row.seconds(now))
            result.append(f"{mark}", style).append(f"{first}\n", "" if row.step.state != "waiting" else "dim")
            result.append("".join(f" {line}\n" for line in rest), "dim")
        result.rstrip()
        return result


def format_row(step: progress.Step, seconds: float | None) -> list[str]:
    """Return the lines of a step: itself, then its parts. Pure.

    >>> format_row(progress.Step("build", "done", "", (("push", 0.25, "1 layer"),)), 1.0)
    ['  build          1.00 s', '    push         0.25 s  1 layer']
    """
    clock = "" if seconds is None else f"{seconds:7.2f} s"
    detail = "failed" if step.state == "failed" else step.detail
    lines = [f"  {step.name:<12}{clock}" + (f"  {detail}" if detail else "")]
    lines += [
        f"    {name:<10}{took:7.2f} s" + (f"  {_cut(remark)}" if remark else "") for name, took, remark in step.parts
    ]
    return [line.rstrip() for line in lines]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REMARK else f"{text[: _LONGEST_REMARK - 1]}…"
