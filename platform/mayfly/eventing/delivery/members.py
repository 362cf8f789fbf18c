"""Which replicas of this process are alive: those that our own Service sends to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mayfly.cluster import client, kinds, watch

SERVICE_LABEL = "kubernetes.io/service-name"
"""Names the Service of an EndpointSlice (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/)."""


class Members:
    """The ready pods of ``service`` in ``namespace``.

    Whoever is not among them, because it was not seen yet, is not ready or is about to end, has no share: the others
    divide everything among themselves, and it must not take a second time what they take.
    """

    def __init__(
        self, cluster: client.Cluster, *, namespace: str, service: str, timing: watch.Timing | None = None
    ) -> None:
        self._names: tuple[str, ...] = ()
        self._slices = watch.Cache(
            cluster,
            kinds.ENDPOINTSLICE,
            namespace=namespace,
            labels=f"{SERVICE_LABEL}={service}",
            on_change=self._note,
            timing=timing,
        )

    async def run(self) -> None:
        """Follow until cancelled. When the API server is away, the last that was known stays."""
        await self._slices.run()

    def names(self) -> tuple[str, ...]:
        """Return the names of the live replicas, sorted; of each, the same list once all have seen the same."""
        return self._names

    def _note(self, _key: watch.Key, _before: watch.Object | None, _after: watch.Object | None) -> None:
        self._names = find_ready(self._slices.list())


def find_ready(slices: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the ready pods in EndpointSlices, sorted, each once. Pure.

    A pod of two address families is in two slices; a condition that is not set counts as true.
    """
    return tuple(sorted({name for each in slices for name in _find_ready(each)}))


def _find_ready(piece: Mapping[str, Any]) -> Iterator[str]:
    for endpoint in piece.get("endpoints") or ():
        about = endpoint.get("targetRef") or {}
        if about.get("kind") == "Pod" and (endpoint.get("conditions") or {}).get("ready") is not False:
            yield about["name"]
