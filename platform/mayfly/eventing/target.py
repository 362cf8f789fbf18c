"""A Function as who delivers to it sees it. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pydantic

from mayfly.events import filters, retry, triggers
from mayfly.model import duration, function, trigger

Ticker = triggers.Ticker


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What delivery needs to know of a Function."""

    namespace: str
    name: str
    uid: str
    policy: retry.Policy = retry.DEFAULT
    timeout_seconds: float = 30.0
    concurrency: int | None = None
    """``delivery.concurrency``; ``None``: as many as the instances can take."""
    instance_concurrency: int = 50
    """``scaling.concurrency``; 0 sets no limit."""
    max_instances: int = 20
    """``scaling.max``; 0 sets no limit."""
    min_instances: int = 0
    """``scaling.min``."""
    idle_seconds: float = 30.0
    """``scaling.idle``: instances beyond ``min_instances`` live so long without work."""
    dead_letter_seconds: float = 336 * 3600.0
    dead_letter_sink: trigger.Destination | None = None
    on_success: trigger.Destination | None = None
    on_failure: trigger.Destination | None = None
    takes_calls: bool = True
    """Whether it may be called asynchronously (``http.async``)."""
    filters: tuple[filters.Filter, ...] = ()
    """One for each event trigger."""
    tickers: tuple[Ticker, ...] = ()
    created: float = 0.0
    """POSIX seconds; no tick before it is made up for."""
    problems: tuple[str, ...] = ()
    """What of its triggers cannot be obeyed; the others are."""

    @property
    def queue(self) -> tuple[str, str]:
        """Namespace and name, the store's name for what waits for it."""
        return self.namespace, self.name


def parse_target(manifest: Mapping[str, Any]) -> Target | None:
    """Return the target that a Function is; ``None`` when it cannot be read at all or is being deleted."""
    metadata = manifest["metadata"]
    if metadata.get("deletionTimestamp"):
        return None
    try:
        spec = function.FunctionSpec.model_validate(manifest.get("spec") or {})
    except pydantic.ValidationError:
        return None
    delivery = spec.delivery
    found = triggers.read_triggers(spec.triggers)
    return Target(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        policy=retry.make_policy(delivery),
        timeout_seconds=spec.timeout_seconds,
        concurrency=delivery.concurrency,
        instance_concurrency=spec.scaling.concurrency,
        max_instances=spec.scaling.max,
        min_instances=spec.scaling.min,
        idle_seconds=duration.parse_duration(spec.scaling.idle),
        dead_letter_seconds=duration.parse_duration(delivery.dead_letter.retention),
        dead_letter_sink=delivery.dead_letter.sink,
        on_success=delivery.on_success,
        on_failure=delivery.on_failure,
        takes_calls=spec.http.async_,
        filters=found.filters,
        tickers=found.tickers,
        created=_read_instant(metadata.get("creationTimestamp")),
        problems=tuple(map(str, found.problems)),
    )


def make_host(namespace: str, name: str) -> str:
    """Return the name inside the cluster of a Function, or of one of its revisions."""
    return f"{name}.{namespace}.svc.cluster.local"


def _read_instant(text: str | None) -> float:
    return dt.datetime.fromisoformat(text).timestamp() if text else 0.0
