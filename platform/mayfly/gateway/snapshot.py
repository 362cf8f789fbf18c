"""Hold the configuration that Envoy should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mayfly.routing import wire

Maker = Callable[[], wire.Resource | None]

Observer = Callable[[str, str], None]
"""Called with type URL and name of a resource that changed, appeared or went."""


class Snapshot:
    """Hold resources by type and name, and tell observers which ones changed."""

    def __init__(self) -> None:
        self._resources: dict[str, dict[str, wire.Resource]] = {}
        self._makers: dict[tuple[str, str], Maker] = {}
        self._observers: list[Observer] = []

    def put(self, resource: wire.Resource) -> None:
        """Set a resource; one that is equal to what is there changes nothing."""
        held = self._resources.setdefault(resource.type_url, {})
        if held.get(resource.name) != resource:
            held[resource.name] = resource
            self._tell(resource.type_url, resource.name)

    def promise(self, type_url: str, name: str, make: Maker) -> None:
        """Have a resource made when it is next asked for; a large one is made once for many changes this way."""
        self._makers[type_url, name] = make
        self._tell(type_url, name)

    def remove(self, type_url: str, name: str) -> None:
        """Remove a resource, if it is there."""
        if self._resources.get(type_url, {}).pop(name, None) is not None:
            self._tell(type_url, name)

    def get(self, type_url: str, name: str) -> wire.Resource | None:
        """Return a resource, ``None`` when there is none of that name."""
        self._keep_promise(type_url, name)
        return self._resources.get(type_url, {}).get(name)

    def names(self, type_url: str) -> Iterable[str]:
        """Return the names of all resources of a type."""
        for promised in [key for key in self._makers if key[0] == type_url]:
            self._keep_promise(*promised)
        return self._resources.get(type_url, {}).keys()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell ``observer`` of every change from now on; call the result to stop that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def _keep_promise(self, type_url: str, name: str) -> None:
        make = self._makers.pop((type_url, name), None)
        if make is None:
            return
        made = make()
        held = self._resources.setdefault(type_url, {})
        if made is None:
            held.pop(name, None)
        else:
            held[name] = made

    def _tell(self, type_url: str, name: str) -> None:
        for observer in self._observers:
            observer(type_url, name)
