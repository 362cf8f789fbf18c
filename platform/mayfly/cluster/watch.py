"""A live local copy of one collection.

List, then watch from where the list ended; on any trouble resume, and when the server has forgotten that moment
(410) list again and compare, so that a deletion nobody saw is noticed too.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mayfly import errors
from mayfly.cluster import answer, backoff, client, kinds, store, wire

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
RETRY_CAP_SECONDS = 30.0
SHORT_SECONDS = 1.0
"""A watch that ends sooner and said nothing counts as a failure, so that a broken proxy causes no hot loop."""
RELIST_FAILURES = 4
"""After so many failures in a row the list is read anew: the server may have been restored from a backup, and then
it waits for a resourceVersion that will not come."""

Key = store.Key
key_of = store.key_of
Object = client.Object
OnChange = store.OnChange
Indexer = store.Indexer
Transform = Callable[[Object], Object]


def drop_managed_fields(obj: Object) -> Object:
    """Remove the largest part of an object that no reader needs, in place, and return it."""
    obj["metadata"].pop("managedFields", None)
    return obj


class Timing(NamedTuple):
    """How long one watch lasts at most and how long it may be silent, in seconds; see ``client.Cluster.watch``."""

    watch_seconds: float = client.WATCH_SECONDS
    silence_seconds: float = client.SILENCE_SECONDS


class Cache(store.Store):
    """Keep a copy of ``kind`` and tell of every change.

    Create it, add indexes and callbacks, start ``run`` as a task, await ``synced``. The objects given out are the
    cache's own: read them, do not change them.
    """

    def __init__(
        self,
        cluster: client.Cluster,
        kind: kinds.Kind,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        transform: Transform = drop_managed_fields,
        on_change: OnChange | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(name=kind.plural)
        self._cluster = cluster
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._transform = transform
        self._timing = timing or Timing()
        self._jitter = random.Random()  # noqa: S311  (spreads load, keeps no secret)
        self._resource_version: str | None = None
        self._first_list = asyncio.Event()
        self._heard_at = time.monotonic()
        self.last_error: errors.ClusterError | None = None
        self.relists = 0
        if on_change is not None:
            self.add_callback(on_change)

    async def run(self) -> None:
        """Keep the copy until cancelled; never ends by itself, whatever the API server does."""
        failures = 0
        while True:
            try:
                if self._resource_version is None:
                    await self._relist()
                failures = 0 if await self._follow() else failures + 1
                self.last_error = None
            except answer.Expired:
                log.info("%s: the server forgot where we were, listing again", self._kind.plural)
                self._resource_version = None
                failures += 1
            except errors.ClusterError as error:
                failures += 1
                self._note(error, failures)
            if failures > 0:
                if failures % RELIST_FAILURES == 0:
                    self._resource_version = None
                await asyncio.sleep(self._pause(failures))

    async def synced(self) -> None:
        """Return once the first list is in."""
        await self._first_list.wait()

    @property
    def is_synced(self) -> bool:
        """Say whether the first list is in."""
        return self._first_list.is_set()

    @property
    def silent_seconds(self) -> float:
        """Return for how long the API server has said nothing; a healthy watch stays below two minutes."""
        return time.monotonic() - self._heard_at

    async def _relist(self) -> None:
        """Read the whole collection and tell of every difference to what was known."""
        found: dict[Key, Object] = {}
        version = ""
        pages = self._cluster.pages(self._kind, self._namespace, self._labels, fields=self._fields)
        async with contextlib.aclosing(pages):
            async for page in pages:
                version = page.resource_version
                found |= {key_of(item): self._transform(item) for item in page.items}
        self._heard_at = time.monotonic()
        self._resource_version = version
        self.relists += 1
        self.replace(found)
        self._first_list.set()

    async def _follow(self) -> bool:
        """Watch until the server ends it; say whether the watch did its duty: it lasted, or it told something."""
        started = time.monotonic()
        told = False
        seconds = self._timing.watch_seconds
        changes = self._cluster.watch(
            self._kind,
            self._namespace,
            self._labels,
            fields=self._fields,
            resource_version=self._resource_version,
            seconds=seconds + self._jitter.uniform(0, seconds),
            silence_seconds=self._timing.silence_seconds,
        )
        async with contextlib.aclosing(changes):
            async for change in changes:
                told = True
                self._heard_at = time.monotonic()
                self._take(change)
        return told or time.monotonic() - started >= SHORT_SECONDS

    def _take(self, change: wire.Change) -> None:
        """Put one event into the copy, unless it repeats what was seen.

        A watch tells in the order of resourceVersions, so an event that is not newer than the last one is a
        repetition or came late (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
        """
        version: str = change.object["metadata"]["resourceVersion"]
        if not is_newer(version, self._resource_version):
            return
        self._resource_version = version
        if change.type == "DELETED":
            self.remove(key_of(change.object))
        elif change.type != "BOOKMARK":
            self.put(self._transform(change.object))

    def _note(self, error: errors.ClusterError, failures: int) -> None:
        self.last_error = error
        level = logging.WARNING if failures > 1 else logging.INFO
        log.log(level, "%s: watch broke, trying again (%d): %s", self._kind.plural, failures, error)

    def _pause(self, failures: int) -> float:
        error = self.last_error
        wished = error.retry_after_seconds if isinstance(error, errors.Throttled) else None
        seconds = backoff.delay(attempt=failures - 1, base=RETRY_SECONDS, cap=RETRY_CAP_SECONDS, jitter=self._jitter)
        return max(seconds, wished or 0.0)


def is_newer(version: str, than: str | None) -> bool:
    """Say whether a resourceVersion comes after another of the same collection.

    Pure. Both are decimal numbers on every server we know (guaranteed from Kubernetes 1.35 on, KEP-5504); where one
    is not, any difference counts as newer.
    """
    if than is None or not (version.isdecimal() and than.isdecimal()):
        return version != than
    return int(version) > int(than)


def by_owner(kind: kinds.Kind) -> Indexer:
    """Return an indexer that gives ``NAMESPACE/NAME`` of each owner of ``kind``, for ``Cache.add_index``."""

    def owners(obj: Object) -> Iterable[str]:
        metadata = obj["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            if owner["kind"] == kind.kind and owner["apiVersion"].partition("/")[0] == kind.group:
                yield f"{metadata.get('namespace', '')}/{owner['name']}"

    return owners


def by_label(label: str) -> Indexer:
    """Return an indexer that gives ``NAMESPACE/VALUE`` of a label, for ``Cache.add_index``."""

    def values(obj: Object) -> Iterable[str]:
        metadata = obj["metadata"]
        value = (metadata.get("labels") or {}).get(label)
        if value:
            yield f"{metadata.get('namespace', '')}/{value}"

    return values
