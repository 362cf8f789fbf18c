"""What a build leaves behind besides its image: steps with their seconds, and a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from mayfly.build import log
from mayfly.model import build


@dataclass
class Step:
    """A step under way; set ``detail`` to a short remark about how it went."""

    name: str
    detail: str = ""


class Record:
    """Steps and log of one build; ``step`` is the name of the one under way, empty before the first."""

    def __init__(self) -> None:
        self.log = log.BuildLog()
        self.steps: list[build.BuildStep] = []
        self.step = ""

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[Step]:
        """Yield a step and note its duration at the end, whether it succeeds or not."""
        step, started = Step(name), time.monotonic()
        self.step = name
        try:
            yield step
        finally:
            seconds = round(time.monotonic() - started, 4)
            self.steps.append(build.BuildStep(name=name, seconds=seconds, detail=step.detail))
            self.log.add(f"{name}: {seconds:.3f} s{f', {step.detail}' if step.detail else ''}")
