"""Tell of what happened to an object where ``kubectl describe`` shows it: core/v1 Events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mayfly.cluster import client


class Recorder:
    """Write Events about objects, without ever disturbing the caller."""

    def __init__(self, cluster: client.Cluster, *, component: str, instance: str) -> None:
        raise NotImplementedError

    def record(
        self,
        obj: Mapping[str, Any],
        *,
        reason: str,
        message: str,
        type: Literal["Normal", "Warning"] = "Normal",  # noqa: A002  (the API's name for it)
    ) -> None:
        """Note that ``reason`` happened to ``obj``; returns at once and never raises.

        The same reason and message again raises the count of the Event that is there.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Write what was recorded until cancelled; run it as a task of its own."""
        raise NotImplementedError
