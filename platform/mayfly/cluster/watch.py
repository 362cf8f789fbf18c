"""A live local copy of one collection.

List, then watch from where the list ended; on any trouble resume, and when the server has forgotten that moment
(410) list again and compare, so that a deletion nobody saw is noticed too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mayfly.cluster import client, kinds


class Key(NamedTuple):
    """Name an object within its kind; ``namespace`` is ``""`` for kinds that have none."""

    namespace: str
    name: str


Object = client.Object
OnChange = Callable[[Key, Object | None, Object | None], None]
"""Called with the key, the object before (``None``: it is new) and the object after (``None``: it is gone)."""
Transform = Callable[[Object], Object]
Indexer = Callable[[Object], Iterable[str]]
"""Return the index keys of an object, such as the name of its owner."""


def key_of(obj: dict[str, Any]) -> Key:
    """Return the key of an object."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


class Cache:
    """Keep a copy of ``kind`` and tell of every change.

    The objects given out are the cache's own: read them, do not change them.
    """

    def __init__(
        self,
        cluster: client.Cluster,
        kind: kinds.Kind,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        transform: Transform | None = None,
        on_change: OnChange | None = None,
    ) -> None:
        raise NotImplementedError

    def add_callback(self, on_change: OnChange) -> None:
        """Call ``on_change`` for every change from now on, and at once for every object that is there already."""
        raise NotImplementedError

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Keep an index ``name`` over what ``indexer`` returns for each object."""
        raise NotImplementedError

    async def run(self) -> None:
        """Keep the copy until cancelled; run it as a task of its own. Never ends by itself."""
        raise NotImplementedError

    async def synced(self) -> None:
        """Return once the first list is in."""
        raise NotImplementedError

    @property
    def is_synced(self) -> bool:
        """Say whether the first list is in."""
        raise NotImplementedError

    def get(self, namespace: str | None, name: str) -> Object | None:
        """Return the object, or ``None`` when the cache has none of that name."""
        raise NotImplementedError

    def list(self, namespace: str | None = None) -> client.Objects:
        """Return the objects of a namespace, or of all."""
        raise NotImplementedError

    def by_index(self, name: str, value: str) -> client.Objects:
        """Return the objects for which the indexer ``name`` gave ``value``."""
        raise NotImplementedError
