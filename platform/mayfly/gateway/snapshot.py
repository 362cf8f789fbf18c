"""Hold the configuration that Envoy should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mayfly.routing import wire

Observer = Callable[[str, str], None]
"""Called with type URL and name of a resource that changed, appeared or went."""


class Snapshot:
    """Hold resources by type and name, and tell observers which ones changed."""

    def __init__(self) -> None:
        self._resources: dict[str, dict[str, wire.Resource]] = {}
        self._observers: list[Observer] = []

    def put(self, resource: wire.Resource) -> None:
        """Set a resource; one that is equal to what is there changes nothing."""
        held = self._resources.setdefault(resource.type_url, {})
        if held.get(resource.name) != resource:
            held[resource.name] = resource
            self._tell(resource.type_url, resource.name)

    def remove(self, type_url: str, name: str) -> None:
        """Remove a resource, if it is there."""
        if self._resources.get(type_url, {}).pop(name, None) is not None:
            self._tell(type_url, name)

    def get(self, type_url: str, name: str) -> wire.Resource | None:
        """Return a resource, ``None`` when there is none of that name."""
        return self._resources.get(type_url, {}).get(name)

    def names(self, type_url: str) -> Iterable[str]:
        """Return the names of all resources of a type."""
        return self._resources.get(type_url, {}).keys()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell ``observer`` of every change from now on; call the result to stop that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def _tell(self, type_url: str, name: str) -> None:
        for observer in self._observers:
            observer(type_url, name)
