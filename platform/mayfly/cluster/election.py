"""Who may take a Lease, and until when a holder may trust it.

Pure: the clock is passed in. Only one's own monotonic clock is compared with itself, never the times that another
process wrote, so that clocks which disagree elect nobody twice.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Decision = Literal["take", "renew", "wait"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """The times of an election, in seconds.

    Others wait ``lease`` after the last sign of the holder; the holder stops trusting its own lease ``deadline`` after
    it last asked for it with success. The difference is what a slow request or a clock that runs faster may eat.
    """

    lease: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.deadline < self.lease:
            raise ValueError(f"an election needs 0 < retry < deadline < lease, not {self}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sighting:
    """A Lease's ``spec`` and the moment it was first seen so."""

    spec: Mapping[str, Any]
    at: float

    @property
    def holder(self) -> str | None:
        """Return who holds it; ``None`` when it was given back."""
        return self.spec.get("holderIdentity") or None


def see(before: Sighting | None, *, spec: Mapping[str, Any], now: float) -> Sighting:
    """Return the sighting of ``spec``: the one before when nothing changed since."""
    if before is not None and before.spec == spec:
        return before
    return Sighting(spec=spec, at=now)


def decide(seen: Sighting, *, identity: str, now: float) -> Decision:
    """Say what ``identity`` may do: a lease is free when given back, or when its holder gave no sign for its length.

    The length is the one the holder wrote, which is what it goes by itself.
    """
    if seen.holder is None:
        return "take"
    if seen.holder == identity:
        return "renew"
    return "take" if now - seen.at >= float(seen.spec.get("leaseDurationSeconds") or 0) else "wait"


def make_spec(
    decision: Decision, *, before: Mapping[str, Any], identity: str, terms: Terms, wall: str
) -> dict[str, Any]:
    """Return the Lease's next ``spec``; ``wall`` is the RFC 3339 time with microseconds, for people to read."""
    spec = {**before, "holderIdentity": identity, "leaseDurationSeconds": round(terms.lease), "renewTime": wall}
    if decision == "take":
        spec["acquireTime"] = wall
        spec["leaseTransitions"] = int(before.get("leaseTransitions") or 0) + (1 if before else 0)
    return spec


def is_trusted(*, renewed_at: float | None, now: float, terms: Terms) -> bool:
    """Say whether a holder that last asked with success at ``renewed_at`` may write at ``now``."""
    return renewed_at is not None and now - renewed_at < terms.deadline
