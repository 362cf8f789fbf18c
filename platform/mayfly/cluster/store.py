"""Objects by key, with indexes, and word of every change.

Pure: no network, no time.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

Object = dict[str, Any]


class Key(NamedTuple):
    """Name an object within its kind; ``namespace`` is ``""`` for kinds that have none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


OnChange = Callable[[Key, Object | None, Object | None], None]
"""Called with the key, the object before (``None``: it is new) and the object after (``None``: it is gone)."""
Indexer = Callable[[Object], Iterable[str]]
"""Return the index values of an object, such as the name of its owner."""


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return the key of an object."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


class Store:
    """Hold objects by key; ``name`` is for log lines."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._objects: dict[Key, Object] = {}
        self._callbacks: builtins.list[OnChange] = []
        self._indexers: dict[str, Indexer] = {}
        self._indexes: dict[str, dict[str, set[Key]]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def add_callback(self, on_change: OnChange) -> None:
        """Call ``on_change`` for every change from now on, and at once for every object that is there already.

        It should only note the key, in a queue; what it raises is logged.
        """
        self._callbacks.append(on_change)
        for key, obj in list(self._objects.items()):
            self._call(on_change, key, None, obj)

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Keep an index ``name`` over what ``indexer`` returns for each object."""
        self._indexers[name] = indexer
        index = self._indexes[name] = {}
        for key, obj in self._objects.items():
            _enter(index, indexer(obj), key)

    def get(self, namespace: str | None, name: str) -> Object | None:
        """Return the object, or ``None`` when there is none of that name."""
        return self._objects.get(Key(namespace or "", name))

    def list(self, namespace: str | None = None) -> builtins.list[Object]:
        """Return the objects of a namespace, or of all."""
        if namespace is None:
            return [*self._objects.values()]
        return [obj for key, obj in self._objects.items() if key.namespace == namespace]

    def by_index(self, name: str, value: str) -> builtins.list[Object]:
        """Return the objects for which the indexer ``name`` gave ``value``, by key; costs what it returns."""
        return [self._objects[key] for key in sorted(self._indexes[name].get(value, ()))]

    def put(self, obj: Object) -> None:
        """Put ``obj`` in and tell of it."""
        key = key_of(obj)
        old = self._objects.get(key)
        self._reindex(key, old, obj)
        self._objects[key] = obj
        self._tell(key, old, obj)

    def remove(self, key: Key) -> None:
        """Take an object out and tell of it; nothing happens when it is not there."""
        old = self._objects.pop(key, None)
        if old is not None:
            self._reindex(key, old, None)
            self._tell(key, old, None)

    def replace(self, found: Mapping[Key, Object]) -> None:
        """Hold ``found`` and nothing else; tell of every difference, the deletions first.

        An object with the resourceVersion that is held already is no difference.
        """
        for key in [key for key in self._objects if key not in found]:
            self.remove(key)
        for key, obj in found.items():
            old = self._objects.get(key)
            if old is None or old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
                self.put(obj)

    def _reindex(self, key: Key, old: Object | None, new: Object | None) -> None:
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for value in indexer(old) if old is not None else ():
                keys = index.get(value, set())
                keys.discard(key)
                if not keys:
                    index.pop(value, None)
            _enter(index, indexer(new) if new is not None else (), key)

    def _tell(self, key: Key, old: Object | None, new: Object | None) -> None:
        for callback in self._callbacks:
            self._call(callback, key, old, new)

    def _call(self, callback: OnChange, key: Key, old: Object | None, new: Object | None) -> None:
        try:
            callback(key, old, new)
        except Exception:
            log.exception("%s: a callback failed for %s", self._name, key)


def _enter(index: dict[str, set[Key]], values: Iterable[str], key: Key) -> None:
    for value in values:
        index.setdefault(value, set()).add(key)
