"""Read from the API server the Secrets that ingresses and Functions name: certificates, and keys of callers.

Those with Knative's label come by one watch. Any other is read by its name, now and again every few seconds, so that
a list of a cluster's Secrets is never asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from mayfly import errors
from mayfly.cluster import client, kinds, queue, watch
from mayfly.gateway import keyring
from mayfly.gateway import trust as held
from mayfly.routing import certificates, ingress, trust

log = logging.getLogger(__name__)

LABEL = "networking.internal.knative.dev/certificate-uid"
"""On every Secret that Knative has a certificate written into (``networking/register.go``)."""
WORKERS = 4
REREAD_SECONDS = 5.0
READS_PER_SECOND = 20.0
"""Where many Secrets lack the label, each is read again so much later."""
START_SECONDS = 10.0


class Vault:
    """Keep ``keys`` supplied with certificates, and ``known`` with the keys of callers."""

    def __init__(self, cluster: client.Cluster, keys: keyring.Keyring, known: held.Trust) -> None:
        self._cluster = cluster
        self._keys = keys
        self._known = known
        self._labelled = watch.Cache(
            cluster, kinds.SECRET, labels=LABEL, transform=_trim, on_change=lambda key, _before, _after: self._look(key)
        )
        self._single: queue.WorkQueue[ingress.SecretName] = queue.WorkQueue(name="secrets")
        self._named: set[ingress.SecretName] = set()
        self._all_read = asyncio.Event()
        keys.on_want = lambda name, _wanted: self._look(watch.Key(*name))
        known.on_want.append(self._want_keys)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._labelled.run())
            group.create_task(self._single.run(self._read, workers=WORKERS))

    async def settled(self) -> None:
        """Return once every wanted Secret was looked for: Envoy is never told to forget one for want of an answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._labelled.synced()
                self._note_progress()
                await self._all_read.wait()
                return
        log.error("no answer about %d Secrets after %.0f s; serving without", self._unread, START_SECONDS)

    @property
    def _unread(self) -> int:
        return len(self._keys.unread) + sum(isinstance(name, ingress.SecretName) for name in self._known.unread)

    def _want_keys(self, source: trust.Source, _wanted: bool) -> None:
        if isinstance(source, ingress.SecretName):
            self._look(watch.Key(*source))

    def _look(self, key: watch.Key) -> None:
        """Take a wanted certificate from the watch; have any other wanted Secret read by its name."""
        name = ingress.SecretName(*key)
        obj = self._labelled.get(*key) if self._keys.is_wanted(name) else None
        if obj is not None:
            self._keys.put(name, _parse(name, obj))
            self._note_progress()
        if self._known.is_wanted(name) or (obj is None and self._keys.is_wanted(name)):
            self._named.add(name)
            self._single.add(name)
        else:
            self._named.discard(name)

    async def _read(self, name: ingress.SecretName) -> float | None:
        """Read one Secret; return the seconds after which to read it again."""
        if name not in self._named:
            return None
        found: watch.Object | errors.InvalidRoute | None
        try:
            found = await self._cluster.get(kinds.SECRET, name.namespace, name.name)
        except errors.NotFound:
            found = None
        except errors.Forbidden:
            found = errors.InvalidRoute(f"the gateway may not read Secret {name}; grant its account get on secrets")
        if name in self._named:
            self._give(name, found)
            self._note_progress()
        return max(REREAD_SECONDS, len(self._named) / READS_PER_SECOND)

    def _give(self, name: ingress.SecretName, found: watch.Object | errors.InvalidRoute | None) -> None:
        if self._keys.is_wanted(name):
            self._keys.put(name, _parse(name, found) if isinstance(found, dict) else found)
        if self._known.is_wanted(name):
            self._known.put(name, trust.parse_secret(found) if isinstance(found, dict) else found)

    def _note_progress(self) -> None:
        if not self._unread:
            self._all_read.set()


def _trim(obj: watch.Object) -> watch.Object:
    """Keep the two parts that matter."""
    data = obj.get("data") or {}
    metadata = {name: obj["metadata"][name] for name in ("namespace", "name", "uid", "resourceVersion")}
    return {"metadata": metadata, "data": {name: data[name] for name in certificates.PARTS if name in data}}


def _parse(name: ingress.SecretName, obj: watch.Object) -> certificates.Certificate | errors.InvalidRoute:
    try:
        found = certificates.parse_secret(obj)
        keyring.check(name, found)
    except errors.InvalidRoute as error:
        return error
    return found
