"""What the triggers of a Function mean: filters for events, schedules, and what is wrong with the others.

Pure. The API server has checked by the CRD what a schema can say; here is what needs a parser. Everybody who must know
reads it from here, so all say the same: the admission webhook, the condition ``Triggered``, and who delivers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mayfly import errors
from mayfly.events import filters, schedule
from mayfly.model import trigger

MAX_CHARACTERS = 65536
"""Of all triggers of one Function, as JSON. Parsing CloudEvents SQL costs some 3 µs a character: 0.2 s at most."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """One schedule: ``key`` names it within its Function and for as long as it stays the same."""

    key: str
    schedule: schedule.Schedule


@dataclass(frozen=True, slots=True)
class Problem:
    """A trigger that cannot be obeyed: where it stands, one word for machines, and value, rule and fix for people."""

    place: str
    """Such as ``spec.triggers[1]``."""
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Triggers:
    """What was read; a trigger that is wrong takes nothing from the others."""

    filters: tuple[filters.Filter, ...] = ()
    """One for each event trigger."""
    tickers: tuple[Ticker, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_triggers(several: Sequence[trigger.Trigger]) -> Triggers:
    """Return what ``several``, the ``spec.triggers`` of one Function, mean."""
    found = tuple(_read(several))
    return Triggers(
        filters=tuple(one for one in found if not isinstance(one, Ticker | Problem)),
        tickers=tuple(one for one in found if isinstance(one, Ticker)),
        problems=tuple(one for one in found if isinstance(one, Problem)),
    )


def _read(several: Sequence[trigger.Trigger]) -> Iterator[filters.Filter | Ticker | Problem]:
    keys: dict[str, int] = {}
    size = 0
    for index, one in enumerate(several):
        place = f"spec.triggers[{index}]"
        size += len(one.model_dump_json(by_alias=True, exclude_none=True))
        try:
            _check_size(size)
            if one.event is not None:
                yield _read_event(one.event)
            elif one.schedule is not None:
                _check_key(one, keys.setdefault(one.key, index), index)
                yield Ticker(one.key, schedule.parse_schedule(one.schedule))
        except errors.SpecError as error:
            yield Problem(place, error.reason, str(error))


def _read_event(content: trigger.EventTrigger) -> filters.Filter:
    """Return the filter of a trigger; its places are those of the manifest."""
    exact = content.to_exact()
    parts: list[filters.Filter] = [filters.parse_exact(exact, "event.attributes")] if exact else []
    if content.filters:
        several = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in content.filters]
        parts.append(filters.parse_filters(several, "event.filters"))
    return parts[0] if len(parts) == 1 else filters.AllOf(tuple(parts))


def _check_size(size: int) -> None:
    if size > MAX_CHARACTERS:
        raise errors.InvalidFilter(
            f"the triggers up to this one have {size} characters; at most {MAX_CHARACTERS} are read. Filter by type and"
            " prefix where you can, or give the rest to another Function"
        )


def _check_key(one: trigger.Trigger, first: int, index: int) -> None:
    """Raise ``InvalidSchedule`` when another schedule has this one's key: one of the two would never tick."""
    if first == index:
        return
    if one.name:
        raise errors.InvalidSchedule(f"two schedules are called {one.name!r}; give each a name of its own")
    raise errors.InvalidSchedule(f"the same schedule as spec.triggers[{first}]; remove one of them")
