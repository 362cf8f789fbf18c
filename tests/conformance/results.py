"""Read what Go's test runner prints. Pure."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_RESULT = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)$")


class Result(NamedTuple):
    """Say how one test ended, and after how many seconds."""

    verdict: Literal["PASS", "FAIL", "SKIP"]
    name: str
    seconds: float


def parse_line(line: str) -> Result | None:
    """Return the result that a line tells, ``None`` when it tells none.

    >>> parse_line("    --- PASS: TestIngressConformance/tls (4.21s)")
    Result(verdict='PASS', name='TestIngressConformance/tls', seconds=4.21)
    """
    found = _RESULT.match(line.rstrip())
    if found is None:
        return None
    return Result(found[1], found[2], float(found[3]))  # type: ignore[arg-type]
