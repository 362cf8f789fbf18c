"""Make the request that carries an event, checked by the platform's own rules before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import sys
import uuid

from mayfly.cli import call, exits
from mayfly.events import cloudevent, event

SOURCE = call.SOURCE
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STDIN = "-"


@dataclasses.dataclass(frozen=True)
class Given:
    """What the command line says; ``None`` for what it does not."""

    kind: str | None = None
    stdin: str | None = None
    source: str = SOURCE
    subject: str | None = None
    identity: str | None = None
    data: str | None = None
    data_file: str | None = None
    content_type: str | None = None
    attributes: tuple[str, ...] = ()
    file: str | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What is posted; ``identity`` is the id of its one event, ``None`` for a batch of several."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    identity: str | None


def make_request(given: Given) -> Request:
    """Return the request that the command line describes.

    Raises:
        exits.WrongUsage: the command line contradicts itself, or a file cannot be read.
        errors.InvalidEvent: an attribute breaks a rule of CloudEvents.
    """
    if (given.kind is None) == (given.file is None):
        raise exits.WrongUsage(
            "name a type, as in `mayfly events send com.shop.order.created`, or a file with --file event.json"
        )
    return _read_file(given) if given.file is not None else _make_event(given)


def _read_file(given: Given) -> Request:
    """Return the request with the events of a file, as they stand there."""
    others = dataclasses.replace(given, file=None)
    if others != Given():
        raise exits.WrongUsage("--file brings the whole event; leave the other options out, or write it as options")
    body = _read(str(given.file), option="--file")
    batch = body.lstrip()[:1] == b"["
    headers = (("content-type", BATCH if batch else STRUCTURED),)
    events = cloudevent.parse_http(headers, body)
    return Request(headers, body, events[0].id if len(events) == 1 else None)


def _make_event(given: Given) -> Request:
    body = _find_data(given)
    kind = given.content_type
    if kind is None and body is not None:
        kind = call.guess_media_type(body)
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()) if given.identity is None else given.identity,
        "source": given.source,
        "type": str(given.kind),
        "time": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
    }
    attributes |= {} if given.subject is None else {"subject": given.subject}
    attributes |= {} if kind is None else {"datacontenttype": kind}
    made = event.make_event(attributes | dict(map(_parse_attribute, given.attributes)), body)
    carried = cloudevent.to_binary(made)
    return Request(carried.headers, carried.body, made.id)


def _find_data(given: Given) -> bytes | None:
    if given.stdin not in {None, STDIN}:
        raise exits.WrongUsage(f"{given.stdin!r}: only - may follow the type, for data from stdin; --data gives it")
    named = [one for one in (given.data, given.data_file, given.stdin) if one is not None]
    if len(named) > 1:
        raise exits.WrongUsage("the data comes from --data, --data-file or -; choose one")
    if given.data is not None:
        return _read(given.data[1:], option="--data") if given.data.startswith("@") else given.data.encode()
    return _read(named[0], option="--data-file") if named else None


def _read(name: str, *, option: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return pathlib.Path(name).read_bytes()
    except OSError as error:
        raise exits.WrongUsage(f"{option} {name!r}: the file cannot be read: {error.strerror}") from error


def _parse_attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise exits.WrongUsage(f"--attr {text!r}: write NAME=VALUE")
    return name, value
