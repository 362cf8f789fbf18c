"""What calls a Function besides HTTP, ``spec.triggers``, and how its events are delivered, ``spec.delivery``.

What needs a parser (filters, cron expressions, time zones) is checked by ``mayfly.events``; the rules here are those
that the API server can check by itself.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from mayfly.model import duration, names, part

_ONE_PROPERTY: dict[str, Any] = {"minProperties": 1, "maxProperties": 1}
_DIALECTS = ("exact", "prefix", "suffix", "sql", "any", "all", "not")
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

Text = Annotated[str, Field(min_length=1, max_length=1024)]
Attributes = Annotated[dict[str, Text], Field(min_length=1, max_length=16)]
Sql = Annotated[str, Field(min_length=1, max_length=4096)]

_EXACT = "Attributes with their text: each equals it."
_PREFIX = "Attributes with their text: each begins with it."
_SUFFIX = "Attributes with their text: each ends with it."
_SQL = "Expression in CloudEvents SQL that is true."


class Condition(part.Part):
    """A condition without others inside: one of exact, prefix, suffix, sql."""

    model_config = part.configure(**_ONE_PROPERTY)
    exact: Attributes | None = Field(None, description=_EXACT)
    prefix: Attributes | None = Field(None, description=_PREFIX)
    suffix: Attributes | None = Field(None, description=_SUFFIX)
    sql: Sql | None = Field(None, description=_SQL)


Conditions = Annotated[tuple[Condition, ...], Field(min_length=1, max_length=16, json_schema_extra=_ATOMIC)]


class Group(part.Part):
    """A condition, or some of them: one of exact, prefix, suffix, sql, any, all, not."""

    model_config = part.configure(**_ONE_PROPERTY)
    exact: Attributes | None = Field(None, description=_EXACT)
    prefix: Attributes | None = Field(None, description=_PREFIX)
    suffix: Attributes | None = Field(None, description=_SUFFIX)
    sql: Sql | None = Field(None, description=_SQL)
    any: Conditions | None = Field(None, description="Conditions of which one or more hold.")
    all: Conditions | None = Field(None, description="Conditions that all hold.")
    not_: Condition | None = Field(None, alias="not", description="A condition that does not hold.")


Groups = Annotated[tuple[Group, ...], Field(min_length=1, max_length=16, json_schema_extra=_ATOMIC)]


class Filter(part.Part):
    """A filter of the CloudEvents Subscriptions API; what nests deeper than any in all is written in sql."""

    model_config = part.configure(
        (
            f"[{', '.join(f'has(self.{name})' for name in _DIALECTS)}].filter(set, set).size() == 1",
            f"a filter has exactly one of {', '.join(_DIALECTS)}",
        )
    )
    exact: Attributes | None = Field(None, description=_EXACT)
    prefix: Attributes | None = Field(None, description=_PREFIX)
    suffix: Attributes | None = Field(None, description=_SUFFIX)
    sql: Sql | None = Field(None, description=_SQL)
    any: Groups | None = Field(None, description="Filters of which one or more hold.")
    all: Groups | None = Field(None, description="Filters that all hold.")
    not_: Group | None = Field(None, alias="not", description="A filter that does not hold.")


class EventTrigger(part.Part):
    """Events that call the Function: those for which everything given here holds."""

    model_config = part.configure(
        (
            "has(self.type) || has(self.source) || has(self.subject) || has(self.attributes) || has(self.filters)",
            "set at least one of event.type, event.source, event.subject, event.attributes, event.filters",
        )
    )
    type: Text | None = Field(None, description="Type of the events, such as com.shop.order.created.")
    source: Text | None = Field(None, description="Source of the events, such as /shop/orders.")
    subject: Text | None = Field(None, description="Subject of the events.")
    attributes: Attributes | None = Field(None, description="Further attributes with the text they equal.")
    filters: tuple[Filter, ...] = Field(
        (),
        description="Filters that all hold: exact, prefix, suffix, sql, and any, all, not of them.",
        max_length=16,
        json_schema_extra=_ATOMIC,
    )

    def to_exact(self) -> dict[str, str]:
        """Return the attributes that type, source, subject and attributes name, with the text that each equals."""
        named = {"type": self.type, "source": self.source, "subject": self.subject}
        return {**(self.attributes or {}), **{name: text for name, text in named.items() if text is not None}}

    def to_filters(self) -> list[dict[str, Any]]:
        """Return the conditions in the form of the Subscriptions API, which ``mayfly.events.filters`` parses."""
        exact = self.to_exact()
        several: list[dict[str, Any]] = [{"exact": exact}] if exact else []
        several += [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in self.filters]
        return several


class Missed(StrEnum):
    """What becomes of the ticks of a schedule that nobody could act on in time."""

    SKIP = "skip"
    ONCE = "once"


class ScheduleTrigger(part.Part):
    """Instants at which the Function is called with an event of type dev.mayfly.schedule."""

    cron: str = Field(
        description="Minute, hour, day of month, month, day of week, as cron(5) has them: 0 8 * * MON-FRI.",
        max_length=128,
        json_schema_extra=part.make_text_rule(
            r"self.matches('^[ \t]*[^ \t]+([ \t]+[^ \t]+){4}[ \t]*$')",
            "schedule.cron has five fields, such as 0 8 * * MON-FRI",
        ),
    )
    timezone: str = Field(
        "UTC",
        description="Time zone of the fields, by its name in the IANA database. In the hour that a clock change leaves"
        " out, a tick comes at its end; in the hour that comes twice, once. Default: UTC.",
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
    )
    missed: Missed = Field(
        Missed.SKIP,
        description="skip: ticks that were missed while the platform was down stay so; once: one call makes up for all"
        " of them. Default: skip.",
    )


class Trigger(part.Part):
    """Something that calls the Function: exactly one of event, schedule."""

    model_config = part.configure(
        ("has(self.event) != has(self.schedule)", "a trigger has exactly one of event, schedule")
    )
    name: str | None = Field(
        None,
        description="Name of the trigger; a number made of its content when absent.",
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    )
    event: EventTrigger | None = Field(None, description="Events that call the Function.")
    schedule: ScheduleTrigger | None = Field(None, description="Instants at which it is called.")

    @property
    def key(self) -> str:
        """What the trigger is called within its Function: its name, or 16 digits that change with its content."""
        if self.name:
            return self.name
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


Triggers = Annotated[
    tuple[Trigger, ...],
    Field(
        description="What calls the Function besides HTTP: events and schedules.",
        max_length=32,
        json_schema_extra=_ATOMIC,
    ),
]
"""The type of ``spec.triggers``."""


class Destination(part.Part):
    """Where to send something: exactly one of function, event, url."""

    # CEL reserves the word function: https://kubernetes.io/docs/reference/using-api/cel/#escaping
    model_config = part.configure(
        (
            "[has(self.__function__), has(self.event), has(self.url)].filter(set, set).size() == 1",
            "a destination has exactly one of function, event, url",
        )
    )
    function: Annotated[str, Field(min_length=1, max_length=names.MAX_FUNCTION_NAME)] | None = Field(
        None, description="Function in the same namespace."
    )
    event: Text | None = Field(None, description="Type of a new event, for whoever has a trigger for it.")
    url: str | None = Field(
        None,
        description="URL outside, which the platform's list of allowed destinations must name.",
        max_length=1024,
        pattern=r"^https?://[^\s@]+$",
    )


class BackoffPolicy(StrEnum):
    """How pauses grow."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"


class Jitter(StrEnum):
    """How pauses are spread, so that many waiters do not come back at once."""

    FULL = "full"
    EQUAL = "equal"
    NONE = "none"


class Backoff(part.Part):
    """Pauses between attempts."""

    model_config = part.configure(
        (
            "!has(self.initial) || !has(self.max) || duration(self.initial) <= duration(self.max)",
            "backoff.initial must not exceed backoff.max",
        )
    )
    policy: BackoffPolicy = Field(
        BackoffPolicy.EXPONENTIAL,
        description="exponential: each pause is twice the one before; linear: each is longer by the first.",
    )
    initial: part.Duration = Field(
        "1s",
        description="Pause after the first failure, from 100ms to 5m. Default: 1s.",
        json_schema_extra=part.make_duration_rule("backoff.initial", "100ms", "5m", such_as="1s"),
    )
    max: part.Duration = Field(
        "5m",
        description="Longest pause, from 1s to 1h; a longer Retry-After of the Function is cut to it. Default: 5m.",
        json_schema_extra=part.make_duration_rule("backoff.max", "1s", "1h", such_as="5m"),
    )
    jitter: Jitter = Field(
        Jitter.FULL,
        description="full: a pause lies anywhere between nothing and its length; equal: between half and all of it;"
        " none: at its length. Default: full.",
    )

    @property
    def initial_seconds(self) -> float:
        """Seconds of the first pause."""
        return duration.parse_duration(self.initial)

    @property
    def max_seconds(self) -> float:
        """Seconds of the longest pause."""
        return duration.parse_duration(self.max)


class DeadLetter(part.Part):
    """What becomes of events that could not be delivered."""

    retention: part.Duration = Field(
        "336h",
        description="Time that dead letters are kept for redrive, from 1h to 8760h. Default: 336h (two weeks).",
        json_schema_extra=part.make_duration_rule("deadLetter.retention", "1h", "8760h", such_as="336h"),
    )
    sink: Destination | None = Field(
        None,
        description="Where the event goes besides, with the attributes knativeerrordest, knativeerrorcode,"
        " knativeerrordata.",
    )


class Delivery(part.Part):
    """How events and asynchronous calls reach the Function."""

    retries: int = Field(5, description="Further attempts after the first; 0: none. Default: 5.", ge=0, le=100)
    backoff: Backoff = Field(Backoff(), description="Pauses between attempts.")
    max_age: part.Duration = Field(
        "6h",
        description="Age at which an event is given up, from 1s to 168h. Default: 6h.",
        json_schema_extra=part.make_duration_rule("delivery.maxAge", "1s", "168h", such_as="6h"),
    )
    concurrency: int | None = Field(
        None,
        description="Deliveries at a time; 1: one after the other. When absent, as many as the instances can take.",
        ge=1,
        le=10000,
    )
    dead_letter: DeadLetter = Field(DeadLetter(), description="What becomes of events that could not be delivered.")
    on_success: Destination | None = Field(None, description="Where the Function's answer goes.")
    on_failure: Destination | None = Field(None, description="Where the news goes that it was given up.")

    @property
    def max_age_seconds(self) -> float:
        """Seconds after which an event is given up."""
        return duration.parse_duration(self.max_age)
