"""A CloudEvent as a value: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mayfly.events import limits, rules

REQUIRED = ("specversion", "id", "source", "type")
OPTIONAL = ("subject", "time", "datacontenttype", "dataschema")
CORE = frozenset((*REQUIRED, *OPTIONAL))
RECOMMENDED_NAME_LENGTH = 20
"""Attribute names SHOULD NOT exceed it (section "Attribute Naming Convention")."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event that was found sound; ``make_event`` and the readers of ``cloudevent`` make them.

    ``attributes`` holds every context attribute, ``datacontenttype`` and extensions included, with the characters it
    came with: a time keeps its fraction and offset, a number its digits. ``data`` is ``None`` when there is none;
    HTTP cannot tell an empty body from none, so neither does this.
    """

    attributes: Mapping[str, str]
    data: bytes | None = None

    @property
    def id(self) -> str:
        """The event's id; together with ``source`` it names the event."""
        return self.attributes["id"]

    @property
    def source(self) -> str:
        """The URI reference of what the event happened in."""
        return self.attributes["source"]

    @property
    def type(self) -> str:
        """The kind of event, such as ``com.shop.order.created``."""
        return self.attributes["type"]

    @property
    def content_type(self) -> str | None:
        """The media type of ``data``; ``None`` when the sender said nothing."""
        return self.attributes.get("datacontenttype")

    @property
    def identity(self) -> tuple[str, str]:
        """``source`` and ``id``: two events that share them are the same event (section "id")."""
        return self.attributes["source"], self.attributes["id"]

    @property
    def extensions(self) -> dict[str, str]:
        """The attributes that the specification does not define."""
        return {name: value for name, value in self.attributes.items() if name not in CORE}

    @property
    def long_names(self) -> tuple[str, ...]:
        """Attribute names longer than the specification recommends; they are accepted, and worth a warning."""
        return tuple(name for name in self.attributes if len(name) > RECOMMENDED_NAME_LENGTH)

    def replace(self, **attributes: str) -> Event:
        """Return the same event with these ``attributes`` set, checked as any other.

        Raises:
            InvalidEvent: a name or a value breaks a rule.
        """
        return make_event({**self.attributes, **attributes}, self.data)


def make_event(
    attributes: Mapping[str, str], data: bytes | None = None, bounds: limits.Limits = limits.DEFAULT
) -> Event:
    """Return the event of these ``attributes`` (a copy is kept) and ``data``, empty data being none.

    Raises:
        InvalidEvent: an attribute is missing or breaks a rule; ``EventTooLarge`` and ``UnsupportedEvent`` among them.
    """
    kept = dict(attributes)
    rules.check_attributes(kept, bounds)
    rules.check_data(data, bounds)
    return Event(MappingProxyType(kept), data or None)
