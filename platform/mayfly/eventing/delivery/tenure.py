"""Keep up with which Functions of a concurrency of their own are this replica's to deliver to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from mayfly.eventing import known
from mayfly.eventing.delivery import share
from mayfly.store import interface, records, waking

LOOK_SECONDS = 1.0
HANDOVER_SECONDS = 3.0
"""After a change of members, until what fell to this replica anew is taken up: the others have to hear of it, too."""


class Tenure:
    """What ``share`` decides, with what the Functions, the members and the store's books say."""

    def __init__(
        self, *, store: interface.Store, known: known.Known, shares: share.Shares, members: Callable[[], share.Members]
    ) -> None:
        self._store = store
        self._known = known
        self._shares = shares
        self._members = members
        self._queues: set[records.Queue] = set()
        self._changed = True
        self._last: share.Members = ()
        self._ready = 0.0
        """When what fell to this replica anew may be taken up, in monotonic seconds."""
        self._news = waking.Bell()

    def hear(self, queue: records.Queue) -> None:
        """Take note of a Function that came, changed or went."""
        to = self._known.get(*queue)
        meant = to is not None and to.concurrency is not None
        if meant == (queue in self._queues):
            return
        self._queues.symmetric_difference_update({queue})
        self._changed = True
        self._news.ring()

    async def look(self, own: Mapping[records.Queue, int]) -> bool:
        """Look once, and tell whether something can be taken up that could not before.

        ``own`` is what this replica has under way. Raises: errors.StoreError
        """
        self._deal()
        if not self._shares.unsettled or time.monotonic() < self._ready:
            return False
        before = dict(own)
        counts = await self._store.counts()
        # What began or ended meanwhile may be in the counts or not: it is taken for somebody else's.
        self._shares.learn(counts, {queue: min(number, own.get(queue, 0)) for queue, number in before.items()})
        return True

    async def wait(self) -> None:
        """Wait until it is time for the next look."""
        await self._news.wait(LOOK_SECONDS)

    def _deal(self) -> None:
        members = self._members()
        if members != self._last:
            first = not self._last
            self._ready = time.monotonic() + (0.0 if first and len(members) == 1 else HANDOVER_SECONDS)
        elif not self._changed:
            return
        self._last, self._changed = members, False
        self._shares.deal(self._queues, members)
