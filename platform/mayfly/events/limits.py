"""How much of what is read: sizes, counts and depth, checked before anything is parsed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one request may carry; every default fits through Envoy's own limits on headers."""

    event_bytes: int = 1024 * 1024
    """Data of one event; its text in structured mode may be half as long again. CloudEvents asks for 64 KiB."""
    batch_bytes: int = 4 * 1024 * 1024
    """Body of one batch."""
    batch_events: int = 1000
    """Events in one batch."""
    depth: int = 64
    """Nested arrays and objects in JSON, the event itself included. CPython's own limit is not far above 1,000."""
    attributes: int = 64
    """Attributes of one event; Envoy takes 100 headers of a request."""
    name_length: int = 64
    """Characters of an attribute's name. The specification asks for 20 (SHOULD), see ``Event.long_names``."""
    value_length: int = 4096
    """Characters of an attribute's value."""
    attribute_bytes: int = 16 * 1024
    """Names and values of all attributes in UTF-8. Percent-encoded they at most treble, and Envoy takes 60 KiB."""


DEFAULT = Limits()
