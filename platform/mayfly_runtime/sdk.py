"""The CloudEvents SDK's classes, when the function ships them (https://github.com/cloudevents/sdk-python)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from mayfly_runtime import dialects, events, problem, replies

MakeEvent = Callable[[dict[str, str], Any], Any]
"""Attributes and data in, the event object that the handler gets out."""

_CLASSES = (
    "cloudevents.core.v1.event",  # 2.x
    "cloudevents.v1.http.event",  # 2.x, the names of 1.x
    "cloudevents.http.event",  # 1.x
)
"""Modules that define a ``CloudEvent`` for HTTP, the one preferred first."""


def choose_class(handler: Callable[..., Any]) -> MakeEvent:
    """Return how to make the event that ``handler`` wants.

    Its annotation decides; else the SDK module that the function has imported; else the newest one among its
    dependencies; else the runtime's own class.
    """
    annotated = dialects.find_annotation(handler)
    if annotated is not None and annotated.__module__.split(".")[0] == "cloudevents":
        return _maker(annotated)
    if annotated is events.CloudEvent or importlib.util.find_spec("cloudevents") is None:
        return events.CloudEvent
    loaded = [name for name in _CLASSES if name in sys.modules]
    for name in loaded or _CLASSES:
        try:
            return _maker(importlib.import_module(name).CloudEvent)
        except (ImportError, AttributeError):
            continue
    return events.CloudEvent


def _maker(event_class: Any) -> MakeEvent:
    """Return a function that fills ``event_class``; the 2.x core class wants times as datetimes."""
    wants_datetime = event_class.__module__.startswith("cloudevents.core")

    def make(attributes: dict[str, str], data: Any) -> Any:
        filled: dict[str, Any] = dict(attributes)
        if wants_datetime and "time" in filled:
            filled["time"] = events.parse_time(filled["time"])
        event = event_class(filled, data)
        if "time" not in attributes:
            _forget_time(event)
        return event

    return make


def _forget_time(event: Any) -> None:
    """Remove the time that the SDK makes up for an event that came without one."""
    attributes = event.get_attributes()
    if isinstance(attributes, dict):
        attributes.pop("time", None)
    elif hasattr(event, "__delitem__"):
        del event["time"]


def take_apart(result: Any) -> tuple[dict[str, Any], Any] | None:
    """Return attributes and data of an event of any of these classes, None when ``result`` is no event."""
    if isinstance(result, events.CloudEvent):
        return result.get_attributes(), result.data
    if type(result).__module__.split(".")[0] != "cloudevents" or not hasattr(result, "get_attributes"):
        return _take_apart_dict(result)
    data = result.get_data() if hasattr(result, "get_data") and callable(result.get_data) else result.data
    return dict(result.get_attributes()), data


def _take_apart_dict(result: Any) -> tuple[dict[str, Any], Any] | None:
    """Read a dict as an event if it says so: ``specversion``, or ``type`` and ``source``."""
    if not isinstance(result, dict) or not ("specversion" in result or {"type", "source"} <= result.keys()):
        return None
    attributes = dict(result)
    encoded, data = attributes.pop("data_base64", None), attributes.pop("data", None)
    if encoded is None:
        return attributes, data
    attributes.setdefault("datacontenttype", "application/octet-stream")
    try:
        return attributes, events.decode_base64(encoded)
    except problem.Problem as fault:
        raise replies.ReplyError(f"the function returned an event that is not valid: {fault.detail}") from None
