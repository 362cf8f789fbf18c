"""To and from the types of the CloudEvents SDK, for code that has its events from there.

Sound are the SDK's types and its constructor, once every attribute is given. Its readers and writers are not used on
the way of an event through the platform; ``cloudevent`` says why.
"""

from __future__ import annotations

import datetime as dt
import json

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from mayfly import errors
from mayfly.events import event, rules


def to_sdk(one: event.Event) -> CloudEvent:
    """Return ``one`` as the SDK has it: time as ``datetime``, JSON and text data parsed.

    Raises:
        InvalidEvent: the SDK cannot hold it: a leap second, JSON data nested too deep.
    """
    attributes = dict[str, object](one.attributes)
    try:
        if "time" in attributes:
            attributes["time"] = dt.datetime.fromisoformat(one.attributes["time"].upper())
        return CloudEvent(attributes, JSONFormat().read_data(one.data or b"", one.content_type))
    except (ValueError, RecursionError) as error:
        raise errors.InvalidEvent(
            f"event {rules.cut(one.id)} does not fit into the types of the SDK: {error}"
        ) from error


def from_sdk(theirs: BaseCloudEvent) -> event.Event:
    """Return the SDK's event as ours, under our rules.

    Raises:
        InvalidEvent: it breaks one of them.
    """
    attributes = {name: _render(value) for name, value in theirs.get_attributes().items() if value is not None}
    data = theirs.get_data()
    if data is None or isinstance(data, bytes):
        return event.make_event(attributes, data)
    if isinstance(data, str):
        return event.make_event(attributes, data.encode())
    attributes.setdefault("datacontenttype", "application/json")
    return event.make_event(attributes, json.dumps(data, separators=(",", ":")).encode())


def _render(value: object) -> str:
    if isinstance(value, dt.datetime):
        text = value.isoformat()
        return f"{text[:-6]}Z" if text.endswith("+00:00") else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
