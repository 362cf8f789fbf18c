"""Write to each ingress how far it is, once the data plane has proved it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Any

from mayfly import errors
from mayfly.cluster import client
from mayfly.gateway import probe, table
from mayfly.model import exposure, names
from mayfly.routing import edge, ingress, status

log = logging.getLogger(__name__)

PAUSES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 1.0, 1.0, 2.0, 5.0)
"""Seconds between probes of an ingress that does not serve yet; the last one repeats."""
PATIENCE = 6
"""Probes before "not yet" is written down: most routes serve before that, and need one write instead of two."""


class Publisher:
    """Bring the status of one ingress up to date; only the leader does."""

    def __init__(
        self,
        cluster: client.Cluster,
        *,
        known: table.Table,
        prober: probe.Prober,
        place: edge.Edge,
        lookup: Callable[[ingress.Key], Mapping[str, Any] | None],
    ) -> None:
        self._cluster = cluster
        self._table = known
        self._prober = prober
        self._place = place
        self._lookup = lookup
        self._tries: dict[ingress.Key, tuple[int, int]] = {}
        """Generation and number of probes that failed."""

    async def publish(self, key: ingress.Key) -> float | None:
        """Look at one ingress; return the seconds after which to look again, ``None`` when it is settled."""
        obj, subject = self._lookup(key), self._table.get(key)
        if obj is None:
            self._tries.pop(key, None)
            return None
        finding = self._table.finding(key) or (await self._observe(subject, obj) if subject else None)
        if finding is None:
            return None
        served = await self._observe_exposure(subject, obj) if subject else None
        progress = finding if finding.reason or served is None else status.Finding(served.reason)
        tries = self._count(key, obj, progress)
        if tries == 0 or tries >= PATIENCE:
            await self._write(obj, finding, served)
        waits = progress.reason == status.PROGRAMMING
        return PAUSES[min(tries, len(PAUSES)) - 1] if waits else None

    async def _observe(self, subject: ingress.Ingress, obj: Mapping[str, Any]) -> status.Finding:
        """Ask the data plane, unless it is written already that it serves this generation."""
        if status.is_serving(obj, self._make(obj, status.SERVING)):
            return status.SERVING
        finding = await self._prober.check(subject, self._addresses())
        unserved = self._table.unserved(subject.key) if finding.reason else []
        if unserved:
            return status.waiting(f"{finding.message}; without ready endpoints: {', '.join(unserved)}")
        return finding

    async def _observe_exposure(self, subject: ingress.Ingress, obj: Mapping[str, Any]) -> exposure.Served | None:
        """Return what became of the Function's ``spec.http``, ``None`` when it asks for nothing."""
        if subject.exposure.is_plain:
            return None
        served = exposure.Served(version=subject.exposure_version)
        finding = self._table.exposure_finding(subject.key)
        if finding is None and status.told_served(obj.get("status") or {}) != served.to_json():
            finding = await self._prober.check_exposure(subject, self._addresses())
        return served.model_copy(update={"reason": finding.reason, "message": finding.message}) if finding else served

    def _addresses(self) -> list[str]:
        """Return where the gateway's Envoys are."""
        host_parts = self._place.internal_host.split(".")
        found = self._table.upstreams.endpoints(host_parts[1], host_parts[0]) if len(host_parts) > 1 else []
        return found or [edge.LOOPBACK]

    def _count(self, key: ingress.Key, obj: Mapping[str, Any], finding: status.Finding) -> int:
        """Return how often this generation was found not to serve; 0 once the finding is settled."""
        if finding.reason != status.PROGRAMMING:
            self._tries.pop(key, None)
            return 0
        generation = obj["metadata"].get("generation", 0)
        before, tries = self._tries.get(key, (generation, 0))
        tries = tries + 1 if before == generation else 1
        self._tries[key] = generation, tries
        return tries

    def _make(
        self, obj: Mapping[str, Any], finding: status.Finding, served: exposure.Served | None = None
    ) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return status.make_status(obj, finding, place=self._place, now=now, served=served)

    async def _write(
        self, obj: Mapping[str, Any], finding: status.Finding, served: exposure.Served | None = None
    ) -> None:
        wanted = self._make(obj, finding, served)
        if status.is_current(obj, wanted):
            return
        metadata = {name: obj["metadata"][name] for name in ("namespace", "name", "uid")}
        bare = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "status": wanted}
        try:
            await self._cluster.apply_status(bare, manager=names.GATEWAY)
        except errors.NotFound:
            return
        if finding.reason:
            log.warning("ingress %s/%s: %s", metadata["namespace"], metadata["name"], finding.message)
