"""A clock that tests set, Functions with schedules, and what a store holds of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time

from mayfly.eventing import known
from mayfly.store import records


def at(text: str) -> float:
    """Return the instant ``text`` (UTC) as POSIX seconds."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


@dataclasses.dataclass
class Clock:
    """Stands still until it is set; with ``runs`` it goes on from where it was set."""

    now: float
    runs: bool = False
    _set: float = dataclasses.field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.now + (time.monotonic() - self._set if self.runs else 0.0)

    def to(self, text: str) -> None:
        self.now, self._set = at(text), time.monotonic()


def make_function(name="mail", *schedules, namespace="shop", uid="u1", created="2026-01-01T00:00:00Z", **spec):
    """Return a Function as the API server has it; a schedule is a cron expression or a whole trigger."""
    triggers = [{"schedule": {"cron": one} if isinstance(one, str) else one} for one in schedules]
    metadata = {"namespace": namespace, "name": name, "uid": uid, "creationTimestamp": created}
    return {
        "metadata": metadata,
        "spec": {"source": {"inline": {"handler.py": ""}}, "triggers": triggers, **spec},
    }


def make_known(*functions) -> known.Known:
    found = known.Known()
    for function in functions:
        found.put(function)
    assert len(found) == len(functions)
    return found


async def stored_ticks(store, namespace="shop", function=None) -> list[str]:
    """Return the ticks that the store holds, the earliest first, as ``NAME DAY HH:MM``."""
    page = await store.list(namespace=namespace, selection=records.Selection(function=function), limit=1000)
    assert all(one.kind == "schedule" for one in page.items)
    found = []
    for one in page.items:
        message = await store.message(namespace=namespace, invocation_id=one.id)
        instant = dt.datetime.fromisoformat(dict(message.headers)["ce-time"])
        found.append((instant, f"{one.function} {instant:%d %H:%M}"))
    return [text for _, text in sorted(found)]
