"""CloudEvents over HTTP: which mode a request has, and the event or events in it.

Why not the CloudEvents SDK (2.2) here: on reading, it invents a missing id and time, so that nothing could be
recognised as sent twice; it parses data, drops what does not parse to a string, writes times anew with six digits,
knows no batches, has no limits, and answers bad input with whatever exception comes up. On the sound part, events
that both take, ``tests/unit/events/test_sdk.py`` holds the two equal; ``sdk`` converts for code that wants its types.
"""

from __future__ import annotations

from collections.abc import Iterable

from mayfly import errors
from mayfly.events import binary, event, limits, media, message, rules, structured

_FAMILY = "application/cloudevents"


def parse_http(
    headers: message.Headers, body: bytes, bounds: limits.Limits = limits.DEFAULT
) -> tuple[event.Event, ...]:
    """Return the events that a request carries: one, or those of a batch, which may be none.

    An empty batch is allowed by the binding (section 3.3.2): it is accepted, and there is nothing to store.

    Raises:
        InvalidEvent: it carries no sound event; ``EventTooLarge`` and ``UnsupportedEvent`` tell why more narrowly.
            No other exception, whatever the bytes.
    """
    content_types = message.values_of(headers, "content-type")
    if len(content_types) > 1:
        raise errors.InvalidEvent("header Content-Type is given twice; give it once")
    content_type = content_types[0].strip(" \t") if content_types else ""
    if not content_type.lower().startswith(_FAMILY):
        return (binary.read(headers, body, bounds),)
    kind = media.parse_media_type(content_type)
    if kind is None or kind.essence not in {structured.TYPE, structured.BATCH_TYPE}:
        raise errors.UnsupportedEvent(
            f"Content-Type {rules.cut(content_type)} is not read here; send application/cloudevents+json or"
            " application/cloudevents-batch+json, or the attributes as ce- headers"
        )
    if kind.charset not in {None, "utf-8", "us-ascii"}:
        raise errors.UnsupportedEvent(f"charset {rules.cut(kind.charset)}: JSON is sent as UTF-8")
    if kind.essence == structured.BATCH_TYPE:
        return structured.read_batch(body, bounds)
    return (structured.read(body, bounds),)


def to_binary(one: event.Event) -> message.Message:
    """Return the request in binary mode: how a function gets ``one``."""
    return binary.write(one)


def to_structured(one: event.Event) -> message.Message:
    """Return the request in structured mode: ``one`` as a single text, for dead letters and files."""
    return structured.write(one)


def to_batch(several: Iterable[event.Event]) -> message.Message:
    """Return the request in batched mode."""
    return structured.write_batch(several)
