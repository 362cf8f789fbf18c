"""What was promised beside what came."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Counts of events; ``lost`` were promised and neither delivered nor dead-lettered."""

    accepted: int = 0
    delivered: int = 0
    dead: int = 0
    lost: int = 0
    duplicates: int = 0
    """Deliveries beyond the first of an event."""
    drift: int = 0
    """Invocations about which the store's books and rows disagree."""

    def __str__(self) -> str:
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in dataclasses.fields(self))

    def plus(self, other: Ledger) -> Ledger:
        """Return the sum of two."""
        names = (field.name for field in dataclasses.fields(self))
        return Ledger(**{name: getattr(self, name) + getattr(other, name) for name in names})


def close(promised: Iterable[str], came: collections.Counter[str], dead: Iterable[str], *, drift: int) -> Ledger:
    """Return the ledger of the ids that were ``promised``; what came without a promise harms nobody and counts not."""
    ids, given_up = set(promised), set(dead)
    delivered = {one for one in ids if came[one]}
    return Ledger(
        accepted=len(ids),
        delivered=len(delivered),
        dead=len((given_up & ids) - delivered),
        lost=len(ids - delivered - given_up),
        duplicates=sum(came[one] - 1 for one in delivered),
        drift=drift,
    )
