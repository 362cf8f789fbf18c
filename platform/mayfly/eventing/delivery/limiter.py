"""How many deliveries a Function gets at a time when ``delivery.concurrency`` does not say it. Pure.

As TCP finds out what a path carries (RFC 5681, section 3.1): a Function that was idle for so long that its instances
are gone gets one delivery, then twice as many with every round that succeeds, up to what one instance takes; beyond,
where further instances must start, the number grows by a step with each round. When the Function is overloaded it is
halved, once for all deliveries that were under way together. It is never less than one, so nothing starves.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

from mayfly.eventing import target
from mayfly.eventing.delivery import attempt
from mayfly.events import retry

OVERLOADED = frozenset({429, 503, 504})
"""Answers of a Function, or of what stands before it, that has more to do than it can."""
STEP = 0.1
"""What a careful round adds, as a part of where care begins."""


class Signal(enum.Enum):
    """What an attempt tells of the Function's load."""

    SUCCESS = "success"
    """It keeps up."""
    OVERLOAD = "overload"
    NOTHING = "nothing"
    """Its own error, or not its attempt at all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of a Function beforehand."""

    most: int
    """Deliveries that all instances take, 1 or more."""
    instance: int
    """Deliveries that one instance takes, 1 or more."""
    idle_seconds: float
    """So long instances live without work; infinite when some always do."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What was learned of a Function; a new value with every lesson."""

    window: float = 1.0
    """Deliveries at a time."""
    threshold: float = math.inf
    """From here on the window grows slowly; where one instance is full, that comes first."""
    cut: float = -math.inf
    """When the window was last halved, in the seconds of the caller's clock."""
    proven: bool = True
    """Whether it has grown since: a window that nobody lived up to says nothing about the threshold."""
    used: float = -math.inf
    """When an attempt last began or ended."""
    full: float = -math.inf
    """When the window was last used up."""


COLD = Pace()


def make_bounds(to: target.Target, connections: int) -> Bounds:
    """Return the bounds of ``to``; ``connections`` stands in for a limit that is not set."""
    unlimited = not (to.instance_concurrency and to.max_instances)
    most = connections if unlimited else min(connections, to.instance_concurrency * to.max_instances)
    idle = math.inf if to.min_instances else to.idle_seconds
    return Bounds(max(1, most), max(1, min(most, to.instance_concurrency or most)), idle)


def make_width(pace: Pace, bounds: Bounds, *, now: float, under_way: int) -> int:
    """Return how many deliveries the Function may have at a time, those ``under_way`` among them."""
    current = _forget(pace, bounds, now=now, under_way=under_way)
    return max(1, min(int(current.window), bounds.most))


def begin(pace: Pace, bounds: Bounds, *, now: float, under_way: int) -> Pace:
    """Return what is known once one more delivery begins beside those ``under_way``."""
    current = _forget(pace, bounds, now=now, under_way=under_way)
    return replace(current, used=now, full=now if under_way + 1 >= int(current.window) else current.full)


def learn(pace: Pace, bounds: Bounds, signal: Signal, *, started: float, now: float) -> Pace:
    """Return what is known once a delivery that ``started`` then has ended."""
    if started < pace.cut:  # of the round that it was cut for
        return replace(pace, used=now)
    if signal is Signal.OVERLOAD:
        window = max(1.0, pace.window / 2)
        threshold = window if pace.proven else pace.threshold
        return replace(pace, window=window, threshold=threshold, cut=now, proven=False, used=now)
    # A window that was not used up meanwhile proves nothing by its size (RFC 7661).
    if signal is Signal.SUCCESS and started <= pace.full:
        return replace(pace, window=_grow(pace, bounds), proven=True, used=now)
    return replace(pace, used=now)


def read_signal(came: attempt.Came) -> Signal:
    """Return what ``came`` of an attempt tells of the Function's load."""
    if isinstance(came, attempt.Failure):
        busy = came.kind in {retry.Failure.UNREACHABLE, retry.Failure.TIMEOUT}
        return Signal.OVERLOAD if busy else Signal.NOTHING
    if came.status in OVERLOADED:
        return Signal.OVERLOAD
    return Signal.SUCCESS if came.status < 500 else Signal.NOTHING  # noqa: PLR2004  (HTTP)


def _forget(pace: Pace, bounds: Bounds, *, now: float, under_way: int) -> Pace:
    """Return what is still true of ``pace``: nothing, once the instances it was learned from are gone."""
    return COLD if not under_way and now - pace.used > bounds.idle_seconds else pace


def _grow(pace: Pace, bounds: Bounds) -> float:
    careful = min(pace.threshold, bounds.instance)
    step = 1.0 if pace.window < careful else min(1.0, max(1.0, careful * STEP) / pace.window)
    return min(float(bounds.most), pace.window + step)
