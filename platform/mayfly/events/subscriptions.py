"""Who wants an event, among many: an index of filters by the event types they can match."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mayfly.events import event, filters

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Subscription(Generic[Key]):
    """A trigger: ``key`` means to the caller what it likes, such as namespace, function and trigger."""

    key: Key
    filter: filters.Filter


class Subscriptions(Generic[Key]):
    """An immutable set of subscriptions, in the order given.

    A filter that names its types is looked at only for events of these types; the others are looked at every time.
    Within a type, subscriptions whose filters are equal are asked once.
    """

    def __init__(self, several: Iterable[Subscription[Key]]) -> None:
        typed: dict[str, _Group[Key]] = {}
        self._open: _Group[Key] = _Group()
        self._size = 0
        for place, one in enumerate(several):
            self._size += 1
            types = one.filter.types
            if types is None:
                self._open.add(place, one)
            else:
                for each in types:
                    typed.setdefault(each, _Group()).add(place, one)
        self._typed = typed

    def __len__(self) -> int:
        return self._size

    def find(self, one: event.Event) -> tuple[Key, ...]:
        """Return the keys of the subscriptions that want ``one``, in the order given."""
        group = self._typed.get(one.attributes["type"])
        found = self._open.find(one)
        if group is not None:
            found += group.find(one)
        found.sort(key=_place_of)
        return tuple(key for _, key in found)


class _Group(Generic[Key]):
    """Subscriptions by filter: many functions often wait for the very same thing."""

    def __init__(self) -> None:
        self._filters: dict[filters.Filter, list[tuple[int, Key]]] = {}

    def add(self, place: int, one: Subscription[Key]) -> None:
        self._filters.setdefault(one.filter, []).append((place, one.key))

    def find(self, one: event.Event) -> list[tuple[int, Key]]:
        found: list[tuple[int, Key]] = []
        for each, keys in self._filters.items():
            if each.matches(one):
                found += keys
        return found


def _place_of(entry: tuple[int, object]) -> int:
    return entry[0]
