"""Tell of what happened to an object where ``kubectl describe`` shows it: core/v1 Events."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

from mayfly import errors
from mayfly.cluster import client, kinds, notes

log = logging.getLogger(__name__)

REPEAT_SECONDS = 30.0
"""The count of an Event that happens again and again is stored no oftener."""
POLL_SECONDS = 5.0
"""How often counts that wait for ``REPEAT_SECONDS`` are looked at."""
MAX_TRIES = 5


class Recorder:
    """Write Events about objects, without ever disturbing the caller."""

    def __init__(self, cluster: client.Cluster, *, component: str, instance: str) -> None:
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._notes = notes.Notes()
        self._wake = asyncio.Event()
        self.dropped = 0

    def record(self, obj: Mapping[str, Any], *, reason: str, message: str, warning: bool = False) -> None:
        """Note that ``reason`` (CamelCase) happened to ``obj``; returns at once and never raises.

        The same reason and message again raises the count of the Event that is there.
        """
        try:
            type_: notes.Type = "Warning" if warning else "Normal"
            self._notes.add(obj, type_=type_, reason=reason, message=message, wall=_wall())
        except Exception:
            log.exception("event %s could not be noted", reason)
            return
        self._wake.set()

    async def run(self) -> None:
        """Write what was recorded until cancelled; run it as a task of its own."""
        while True:
            self._wake.clear()
            await self.flush()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def flush(self) -> None:
        """Write what is due now; what the API cannot take now stays for later, at most ``MAX_TRIES`` times."""
        while (note := self._notes.take(now=time.monotonic(), pause=REPEAT_SECONDS)) is not None:
            try:
                await self._write(note)
            except errors.ClusterError as error:
                note.tries += 1
                if error.temporary and note.tries < MAX_TRIES:
                    self._notes.retry(note)
                else:
                    self.dropped += 1
                    log.info("event %s about %s dropped: %s", note.reason, note.about["name"], error)

    async def _write(self, note: notes.Note) -> None:
        """Raise the count of the stored Event, or store a new one: the API server forgets Events after an hour."""
        namespace = note.about.get("namespace") or "default"
        if note.event is not None:
            body = {"count": note.count, "lastTimestamp": note.last, "message": note.message}
            try:
                await self._cluster.patch(kinds.EVENT, namespace, note.event, body)
            except errors.NotFound:
                note.event = None
            else:
                note.tries = 0
                return
        name = f"{note.about['name'][:230]}.{uuid.uuid4().hex[:16]}"
        await self._cluster.create(
            notes.make_event(note, name=name, component=self._component, instance=self._instance)
        )
        note.event = name
        note.tries = 0


def _wall() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
