"""The end of an invocation as an event: what ``onSuccess``, ``onFailure`` and ``deadLetter.sink`` are sent. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mayfly import errors
from mayfly.eventing import kinds
from mayfly.eventing.delivery import attempt, case
from mayfly.eventing.management import documents
from mayfly.events import chain, cloudevent, deadletter, event, media, message, retry

SUCCEEDED = "dev.mayfly.invocation.succeeded"
FAILED = "dev.mayfly.invocation.failed"
CALL = "dev.mayfly.call"
"""Types of the platform's own events."""
ORIGINAL_TYPE = "mayflytype"
"""Extension of a dead letter that goes out under another type: its own."""
TRUNCATED = "mayflytruncated"
"""Extension of an event whose data is an answer that was cut."""
_FAMILY = "application/cloudevents"
_JSON = "application/json"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What JSON writes with six characters: text full of it is shorter in base64."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invocation ended."""

    dead: retry.Dead | None = None
    """Why it was given up; ``None``: it was delivered."""
    detail: str = ""
    answer: attempt.Answer | None = None
    """The last attempt's answer, if that is known and there was one."""
    status: int | None = None
    """The last HTTP status, of an earlier attempt if need be."""
    seconds: float = 0.0
    """How long the last attempt took."""
    attempts: int = 0
    """Over its whole life."""


def make_news(one: case.Case, ending: Ending, *, now: float) -> event.Event:
    """Return the event that tells of ``ending``."""
    return _make_event(one, now=now, event_type=_type_of(ending), data=_write(make_record(one, ending)))


def make_product(one: case.Case, ending: Ending, *, event_type: str, now: float) -> event.Event:
    """Return the event of ``event_type`` that carries the answer, or the record where it was given up."""
    answer = ending.answer
    if ending.dead is not None or answer is None:
        return _make_event(one, now=now, event_type=event_type, data=_write(make_record(one, ending)))
    more = {TRUNCATED: "true"} if answer.truncated else {}
    content_type = answer.header("content-type")
    return _make_event(one, now=now, event_type=event_type, data=answer.body, content_type=content_type, more=more)


def make_dead_letter(one: case.Case, ending: Ending, *, event_type: str | None) -> event.Event:
    """Return what was given up as the event it is, under ``event_type`` if one is named, with the reason."""
    assert ending.dead is not None
    lost = _read_message(one)
    if event_type is not None:
        renamed = {**lost.attributes, "type": event_type, ORIGINAL_TYPE: lost.type}
        lost = event.Event(MappingProxyType(renamed), lost.data)
    said = b"" if ending.answer is None else ending.answer.body
    return deadletter.make_dead_letter(lost, ending.dead, destination=one.destination, answer=said)


def make_record(one: case.Case, ending: Ending) -> dict[str, Any]:
    """Return the end of an invocation as JSON; the answer's fields are those that the API shows."""
    return {
        "id": one.invocation.id,
        "namespace": one.invocation.namespace,
        "function": one.invocation.function,
        "kind": one.kind.value,
        "attempts": ending.attempts,
        "status": ending.status,
        "reason": None if ending.dead is None else ending.dead.reason.value,
        "detail": ending.detail or None,
        "answer": None if ending.answer is None else _make_answer(ending.answer),
    }


def at_depth(one: event.Event, depth: int) -> event.Event:
    """Return ``one`` as something of ``depth``, whatever it says itself."""
    return event.Event(MappingProxyType({**one.attributes, chain.ATTRIBUTE: str(depth)}), one.data)


def _type_of(ending: Ending) -> str:
    return SUCCEEDED if ending.dead is None else FAILED


def _make_event(
    one: case.Case,
    *,
    now: float,
    event_type: str,
    data: bytes,
    content_type: str | None = _JSON,
    more: Mapping[str, str] = MappingProxyType({}),
) -> event.Event:
    """Return an event about the invocation; each life of it, which a redrive begins, has an id of its own."""
    attributes = {
        "specversion": "1.0",
        "id": f"{one.invocation.id}-{one.invocation.redrives}",
        "source": one.source,
        "type": event_type,
        "subject": one.invocation.id,
        "time": dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **_make_content_type(content_type),
        **more,
    }
    return event.make_event(attributes, data)


def _make_content_type(text: str | None) -> dict[str, str]:
    """Return the attribute that says what data is; what is none of a media type is not said.

    Data that is itself an event is called what it consists of: in binary mode its own type would be read as the mode.
    """
    found = media.parse_media_type((text or "").strip(" \t"))
    if text is None or found is None:
        return {}
    if found.essence.startswith(_FAMILY):
        return {"datacontenttype": _JSON if found.is_json else "application/octet-stream"}
    return {"datacontenttype": text.strip(" \t")}


def _make_answer(answer: attempt.Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "contentType": answer.header("content-type"),
        **_make_body(answer.body),
        "truncated": answer.truncated,
    }


def _make_body(body: bytes) -> dict[str, Any]:
    made = documents.make_body(body)
    if made["body"] is not None and _CONTROL.search(made["body"]):
        return {"body": None, "bodyBase64": base64.b64encode(body).decode()}
    return made


def _write(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _read_message(one: case.Case) -> event.Event:
    """Return the event that is delivered; a call becomes one whose data is its body."""
    if one.kind is kinds.Kind.CALL:
        return _make_call_event(one)
    try:
        (found,) = cloudevent.parse_http(one.message.headers, one.message.body)
    except (errors.InvalidEvent, ValueError):  # kept by a version with other rules
        return _make_call_event(one)
    return found


def _make_call_event(one: case.Case) -> event.Event:
    types = message.values_of(one.message.headers, "content-type")
    attributes = {
        "specversion": "1.0",
        "id": one.invocation.id,
        "source": one.source,
        "type": CALL,
        **_make_content_type(types[0] if types else None),
        "mayflymethod": one.message.method,
        "mayflypath": one.message.path,
    }
    # Not checked against the limits of events: a call may be larger, and what is lost is not refused besides.
    return event.Event(MappingProxyType(attributes), one.message.body or None)
