"""Knative's autoscaling annotations (https://knative.dev/docs/serving/autoscaling/)."""

from __future__ import annotations

import math

from mayfly.model import duration, function

PREFIX = "autoscaling.knative.dev"

SHORTEST_WINDOW_SECONDS = 6
"""Knative's least stable window (serving ``pkg/apis/autoscaling/register.go``, ``WindowMin``)."""
LONGEST_WINDOW_SECONDS = 60
"""Knative's own default window. A longer one would also slow down scaling under load, because the panic window is a
tenth of it; what ``idle`` asks beyond it is pod retention, which keeps the last instance and nothing else."""


def make_autoscaling_annotations(scaling: function.Scaling) -> dict[str, str]:
    """Return the annotations that make the last instance go away about ``scaling.idle`` after the last request.

    Window and retention add up to ``idle``: the autoscaler decides for zero once the window holds no request, and
    keeps the last pod for the retention period from then on (serving ``pkg/reconciler/autoscaling/kpa/scaler.go``).
    ``max`` 0 sets no limit. While spare capacity is below ``burst``, Knative's activator stands before the instances
    and holds what they cannot take. Where an instance takes any number at a time there is nothing to hold, and calls
    are spared the detour, which costs more than half of the throughput.
    """
    burst = 0 if scaling.burst is None and scaling.concurrency == 0 else scaling.burst
    idle = math.ceil(duration.parse_duration(scaling.idle))
    window = min(max(idle, SHORTEST_WINDOW_SECONDS), LONGEST_WINDOW_SECONDS)
    return {
        f"{PREFIX}/min-scale": str(scaling.min),
        f"{PREFIX}/max-scale": str(scaling.max),
        f"{PREFIX}/window": f"{window}s",
        f"{PREFIX}/scale-to-zero-pod-retention-period": f"{max(idle - window, 0)}s",
        **({} if burst is None else {f"{PREFIX}/target-burst-capacity": str(burst)}),
    }
