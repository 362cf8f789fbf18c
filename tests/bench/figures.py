"""How a figure is printed: one JSON line; a missed goal is printed as missed and fails nothing."""

from __future__ import annotations

import json
import operator
import statistics
from collections.abc import Sequence
from typing import Any

RELATIONS = {"<=": operator.le, ">=": operator.ge}


def print_figure(
    name: str,
    value: float,
    unit: str,
    *,
    goal: float | None = None,
    relation: str = "<=",
    partner: dict[str, Any] | None = None,
    samples: Sequence[float] = (),
) -> None:
    """Print one figure; ``partner`` is what a ratio was measured against, in the same run."""
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "goal": goal,
        "relation": relation,
        "partner": partner,
        "samples": [round(sample, 4) for sample in samples],
        "ok": None if goal is None else RELATIONS[relation](value, goal),
    }
    print(json.dumps(line), flush=True)  # noqa: T201


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the ``share`` quantile by nearest rank; ``share`` is between 0 and 1."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


median = statistics.median
