"""Which replica delivers for a Function whose ``delivery.concurrency`` holds for all replicas together. Pure.

Rendezvous hashing (https://www.microsoft.com/en-us/research/publication/a-name-based-mapping-scheme-for-rendezvous/):
everybody who knows the members names the same one, and a member that goes leaves to the others only what was its own.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping

from mayfly.store import records

Members = tuple[str, ...]


@functools.lru_cache(maxsize=65536)
def find_owner(queue: records.Queue, members: Members) -> str | None:
    """Return who of ``members`` delivers for ``queue``; ``None`` when there is nobody."""
    return max(members, key=lambda member: (_weigh(queue, member), member), default=None)


def _weigh(queue: records.Queue, member: str) -> bytes:
    return hashlib.blake2b("\0".join((*queue, member)).encode(), digest_size=8).digest()


class Shares:
    """What falls to one replica. Pure but for its own memory.

    What falls to it anew it may only use up to what others still have under way, which the store's books tell; until
    these were read that is nothing.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._mine: set[records.Queue] = set()
        self._others: dict[records.Queue, int | None] = {}
        """Leases that others hold in a queue that fell to this replica; ``None``: not known yet."""

    @property
    def unsettled(self) -> bool:
        """Whether the books are to be read."""
        return bool(self._others)

    def deal(self, queues: Iterable[records.Queue], members: Members) -> None:
        """Find out which of ``queues`` are this replica's."""
        mine = {queue for queue in queues if find_owner(queue, members) == self._me}
        others = {queue: number for queue, number in self._others.items() if queue in mine}
        self._others = others | dict.fromkeys(mine - self._mine)
        self._mine = mine

    def learn(self, counts: Mapping[records.Queue, records.Count], own: Mapping[records.Queue, int]) -> None:
        """Take in what is leased altogether, and what of it is this replica's ``own``."""
        for queue in tuple(self._others):
            others = counts.get(queue, records.Count()).leased - own.get(queue, 0)
            if others > 0:
                self._others[queue] = others
            else:
                del self._others[queue]

    def make_width(self, queue: records.Queue, concurrency: int) -> int:
        """Return how many deliveries of ``queue`` this replica may have at a time."""
        if queue not in self._mine:
            return 0
        others = self._others.get(queue, 0)
        return 0 if others is None else max(0, concurrency - others)
