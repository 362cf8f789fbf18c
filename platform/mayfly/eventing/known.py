"""Every Function of the cluster as a ``Target``, and who wants an event. Fed by a watch; never asks anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mayfly.eventing import target
from mayfly.events import event, subscriptions
from mayfly.store import records


class Known:
    """Targets by queue; the subscriptions of a namespace are indexed when they are first asked for after a change."""

    def __init__(self) -> None:
        self._targets: dict[records.Queue, target.Target] = {}
        self._names: dict[str, dict[str, target.Target]] = {}
        self._indexes: dict[str, subscriptions.Subscriptions[records.Queue]] = {}
        self.on_change: list[Callable[[records.Queue], None]] = []
        """Called with the queue of a target that came, changed or went."""

    def __len__(self) -> int:
        return len(self._targets)

    def __iter__(self) -> Iterator[target.Target]:
        return iter(tuple(self._targets.values()))

    def put(self, manifest: Mapping[str, Any]) -> None:
        """Take in a Function, new or changed."""
        found = target.parse_target(manifest)
        queue = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if found is None:
            self.drop(queue)
            return
        if self._targets.get(queue) == found:
            return
        self._targets[queue] = found
        self._names.setdefault(found.namespace, {})[found.name] = found
        self._forget_index(queue)

    def drop(self, queue: records.Queue) -> None:
        """Forget a Function."""
        if self._targets.pop(queue, None) is not None:
            del self._names[queue[0]][queue[1]]
            self._forget_index(queue)

    def get(self, namespace: str, name: str) -> target.Target | None:
        """Return a Function, ``None`` when there is none."""
        return self._targets.get((namespace, name))

    def find(self, namespace: str, one: event.Event) -> tuple[target.Target, ...]:
        """Return the Functions of a namespace of which a trigger wants ``one``, each once, by name."""
        index = self._indexes.get(namespace)
        if index is None:
            index = self._indexes[namespace] = self._make_index(namespace)
        return tuple(self._targets[queue] for queue in dict.fromkeys(index.find(one)))

    def _make_index(self, namespace: str) -> subscriptions.Subscriptions[records.Queue]:
        targets = sorted(self._names.get(namespace, {}).values(), key=lambda one: one.name)
        return subscriptions.Subscriptions(
            subscriptions.Subscription(one.queue, each) for one in targets for each in one.filters
        )

    def _forget_index(self, queue: records.Queue) -> None:
        self._indexes.pop(queue[0], None)
        for tell in self.on_change:
            tell(queue)
