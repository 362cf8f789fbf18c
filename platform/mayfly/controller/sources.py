"""Wake the Functions whose source is a ConfigMap that changed.

One watch per namespace that has such a Function, keeping nothing but names and versions; without such Functions
there is no watch at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from mayfly.cluster import client, kinds, watch
from mayfly.controller import trim

BY_CONFIG_MAP = "config map"
BY_NAMESPACE = "namespace with config map"


class Sources:
    """Follow the ConfigMaps that ``functions`` name; ``wake`` is called with the key of each Function concerned."""

    def __init__(self, cluster: client.Cluster, functions: watch.Cache, *, wake: Callable[[watch.Key], None]) -> None:
        self._cluster = cluster
        self._functions = functions
        self._wake = wake
        self._tasks: dict[str, asyncio.Task[None]] = {}
        functions.add_index(BY_CONFIG_MAP, index_config_map)
        functions.add_index(BY_NAMESPACE, index_namespace)

    async def run(self) -> None:
        """Follow until cancelled."""
        self._functions.add_callback(self._refresh)
        try:
            await asyncio.Event().wait()
        finally:
            tasks, self._tasks = tuple(self._tasks.values()), {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _refresh(self, key: watch.Key, _old: object, _new: object) -> None:
        """Start or end the watch of the namespace in which a Function changed."""
        wanted = bool(self._functions.by_index(BY_NAMESPACE, key.namespace))
        if wanted and key.namespace not in self._tasks:
            copy = watch.Cache(
                self._cluster,
                kinds.CONFIGMAP,
                namespace=key.namespace,
                transform=trim.trim_config_map,
                on_change=self._on_change,
            )
            self._tasks[key.namespace] = asyncio.create_task(copy.run(), name=f"config maps of {key.namespace}")
        elif not wanted and key.namespace in self._tasks:
            self._tasks.pop(key.namespace).cancel()

    def _on_change(self, key: watch.Key, _old: object, _new: object) -> None:
        for function in self._functions.by_index(BY_CONFIG_MAP, str(key)):
            self._wake(watch.key_of(function))


def index_config_map(function: dict[str, Any]) -> Iterable[str]:
    """Return ``NAMESPACE/NAME`` of the ConfigMap that is the source of ``function``, if one is."""
    reference = ((function.get("spec") or {}).get("source") or {}).get("configMap")
    return [f"{function['metadata']['namespace']}/{reference['name']}"] if reference else []


def index_namespace(function: dict[str, Any]) -> Iterable[str]:
    """Return the namespace of ``function`` if its source is a ConfigMap."""
    return [function["metadata"]["namespace"]] if list(index_config_map(function)) else []
