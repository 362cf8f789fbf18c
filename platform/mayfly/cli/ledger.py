"""What is printed of invocations. Pure: documents of the REST API in, text out."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from typing import Any

from mayfly.cli import options, view

Document = dict[str, Any]

COLUMNS: tuple[str, ...] = ("ID", "FUNCTION", "KIND", "STATE", "ATTEMPTS", "STATUS", "AGE", "NOTE")
MORE: tuple[str, ...] = ("PARENT", "CLIENT", "DETAIL")
DEAD_COLUMNS: tuple[str, ...] = ("ID", "FUNCTION", "REASON", "STATUS", "ATTEMPTS", "DIED", "KEPT")
DEAD_MORE: tuple[str, ...] = ("KIND", "DETAIL")
_DETAIL = 100


def render(items: Sequence[Document], form: options.Format, *, now: dt.datetime, dead: bool = False) -> str:
    """Return a list in the wanted form; ``dead`` chooses the columns of dead letters."""
    if form in {options.Format.JSON, options.Format.YAML}:
        return view.dump({"items": list(items)}, form)
    if form is options.Format.NAME:
        return "\n".join(one["id"] for one in items)
    wide = form is options.Format.WIDE
    plain, more, make = (DEAD_COLUMNS, DEAD_MORE, make_dead_row) if dead else (COLUMNS, MORE, make_row)
    return view.align([plain + more * wide, *(make(one, wide=wide, now=now) for one in items)])


def make_row(one: Document, *, wide: bool, now: dt.datetime) -> tuple[str, ...]:
    """Return the cells of one invocation."""
    cells = [one["id"], one["function"], one["kind"], one["state"], one["attempts"], one["status"]]
    cells += [view.format_age(one["accepted"], now=now), make_note(one, now=now)]
    if wide:
        cells += [one["parent"], one["client"], _shorten(one["detail"])]
    return _fill(cells)


def make_dead_row(one: Document, *, wide: bool, now: dt.datetime) -> tuple[str, ...]:
    """Return the cells of one dead letter."""
    cells = [one["id"], one["function"], one["reason"], one["status"], one["attempts"]]
    cells += [f"{view.format_age(one['settled'], now=now)} ago", format_ahead(one["keptUntil"], now=now)]
    if wide:
        cells += [one["kind"], _shorten(one["detail"])]
    return _fill(cells)


def make_note(one: Document, *, now: dt.datetime) -> str:
    """Return what is worth knowing besides: why it is dead, when it is tried next."""
    if one["reason"]:
        return str(one["reason"])
    if one["state"] == "waiting" and one["tries"]:
        return f"next try {format_ahead(one['nextAttempt'], now=now)}"
    return f"redriven {one['redrives']}x" if one["redrives"] else ""


def render_line(one: Document) -> str:
    """Return an invocation as one line of a stream.

    >>> one = {"accepted": "2026-11-21T06:00:00.123Z", "function": "mail", "kind": "event", "state": "waiting"}
    >>> render_line({**one, "id": "019a", "reason": None, "status": None})
    '06:00:00.123  019a  event      waiting    mail'
    """
    cells = [one["accepted"][11:23], one["id"], f"{one['kind']:<9}", f"{one['state']:<9}", one["function"]]
    cells += [one["reason"] or "", f"HTTP {one['status']}" if one["status"] else ""]
    return "  ".join(filter(None, cells))


def render_card(one: Document, attempts: Sequence[Document], *, now: dt.datetime) -> str:
    """Return one invocation in full, with its attempts."""
    facts = {
        "Invocation": one["id"],
        "Function": f"{one['function']} in {one['namespace']}",
        "Kind": one["kind"],
        "State": " ".join(filter(None, [one["state"], one["reason"]])),
        "Detail": one["detail"],
        "Status": one["status"] and f"HTTP {one['status']}",
        "Next attempt": _when(one.get("nextAttempt"), now=now),
        "Accepted": _when(one["accepted"], now=now),
        "Settled": _when(one["settled"], now=now),
        "Expires": None if one["settled"] else _when(one["expires"], now=now),
        "Redrives": one["redrives"] or None,
        "Revision": one["revision"],
        "Target": one["target"],
        "Parent": one["parent"] and f"{one['parent']} (depth {one['depth']})",
        "Client": one["client"],
        "Call id": one["callId"],
        "Trace": one["traceparent"],
        "Known by": one["dedupKey"],
    }
    width = max(len(name) for name in facts) + 2
    lines = [f"{name + ':':<{width}}{view.indent(str(value), width)}" for name, value in facts.items() if value]
    return "\n".join([*lines, *_render_attempts(attempts)])


def _render_attempts(attempts: Sequence[Document]) -> list[str]:
    if not attempts:
        return ["", "Attempts: none yet"]
    rows: list[tuple[str, ...]] = [("#", "OUTCOME", "STATUS", "STARTED", "TOOK", "REVISION", "ERROR")]
    rows += [
        _fill(
            [
                one["number"],
                one["outcome"],
                one["status"],
                one["started"],
                _took(one),
                one["revision"],
                _shorten(one["error"]),
            ]
        )
        for one in attempts
    ]
    return ["", "Attempts:"] + [f"  {line}" for line in view.align(rows).splitlines()]


def render_message(message: Document) -> str:
    """Return a request as it would stand on the wire, a body that is no text left out."""
    lines = [f"{message['method']} {message['path']}"]
    lines += [f"{header['name']}: {header['value']}" for header in message["headers"]]
    if message["body"] is None:
        return "\n".join([*lines, "", f"({len(read_body(message))} bytes that are no text; -o json shows them)"])
    return "\n".join([*lines, "", message["body"]])


def read_body(document: Document) -> bytes:
    """Return the body of a message or a result."""
    if document["body"] is not None:
        return str(document["body"]).encode()
    return base64.b64decode(document["bodyBase64"] or "")


def format_ahead(when: str | None, *, now: dt.datetime) -> str:
    """Return the time until an instant: in 5s, in 12m; ``now`` when it is over, ``-`` when there is none."""
    if not when:
        return view.NOTHING
    seconds = (dt.datetime.fromisoformat(when) - now).total_seconds()
    if seconds <= 0:
        return "now"
    return f"in {view.format_age((now - dt.timedelta(seconds=seconds)).isoformat(), now=now)}"


def _when(instant: str | None, *, now: dt.datetime) -> str | None:
    if instant is None:
        return None
    ahead = dt.datetime.fromisoformat(instant) > now
    away = format_ahead(instant, now=now) if ahead else f"{view.format_age(instant, now=now)} ago"
    return f"{instant} ({away})"


def _took(attempt: Document) -> str | None:
    if attempt["ended"] is None:
        return None
    took = dt.datetime.fromisoformat(attempt["ended"]) - dt.datetime.fromisoformat(attempt["started"])
    return f"{took.total_seconds():.3f} s"


def _shorten(text: str | None) -> str | None:
    if not text:
        return text
    line = " ".join(text.split())
    return line if len(line) <= _DETAIL else f"{line[: _DETAIL - 1]}…"


def _fill(cells: Sequence[Any]) -> tuple[str, ...]:
    return tuple(view.NOTHING if cell in {None, ""} else str(cell) for cell in cells)
