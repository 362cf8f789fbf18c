"""Know who uses what, and when something is used for the first or for the last time."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Generic, NamedTuple, TypeVar

from mayfly.routing import ingress

Thing = TypeVar("Thing")


class Turn(NamedTuple, Generic[Thing]):
    """What came into use by a change, and what went out of it."""

    begun: list[Thing]
    ended: list[Thing]


class Uses(Generic[Thing]):
    """Hold which ingresses use each thing."""

    def __init__(self) -> None:
        self._users: dict[Thing, set[ingress.Key]] = {}

    def change(self, key: ingress.Key, before: Iterable[Thing], after: Iterable[Thing]) -> Turn[Thing]:
        """Note that an ingress now uses ``after`` where it used ``before``."""
        old, new = set(before), set(after)
        turn: Turn[Thing] = Turn([], [])
        for thing in new - old:
            if thing not in self._users:
                turn.begun.append(thing)
            self._users.setdefault(thing, set()).add(key)
        for thing in old - new:
            self._users[thing].discard(key)
            if not self._users[thing]:
                del self._users[thing]
                turn.ended.append(thing)
        return turn

    def users(self, thing: Thing) -> AbstractSet[ingress.Key]:
        """Return the ingresses that use a thing."""
        return self._users.get(thing, frozenset())
