"""The runtime's JSON lines, made readable. Pure."""

from __future__ import annotations

import json
import sys
from typing import Any

from mayfly.cli import talk

_COLOURS = {"error": "red", "critical": "red", "warning": "yellow"}
_HIDDEN = frozenset(
    {
        "time",
        "level",
        "message",
        "logger",
        "function",
        "revision",
        "stream",
        "exception",
        "stack",
        "request_id",
        "trace_id",
    }
)


def render(text: str) -> str:
    """Return a log line for people: time, level, message, further fields, call id, traceback; other lines as they are.

    >>> render('{"time": "2026-11-21T06:00:00.123Z", "level": "info", "message": "sold", "count": 2}')
    '06:00:00.123 info     sold count=2'
    """
    fields = _parse(text)
    if "message" not in fields:
        return text
    level = str(fields.get("level", "info")).lower()
    parts = [str(fields.get("time", ""))[11:23], _paint(f"{level:<8}", level), str(fields["message"])]
    parts += [f"{name}={_show(value)}" for name, value in fields.items() if name not in _HIDDEN]
    if fields.get("request_id"):
        parts.append(f"[{fields['request_id']}]")
    lines = [" ".join(part for part in parts if part)]
    lines += [f"    {line}" for name in ("exception", "stack") for line in str(fields.get(name) or "").splitlines()]
    return "\n".join(lines)


def shorten_pod(pod: str) -> str:
    """Return what tells a function's pods apart: revision number and the pod's own suffix.

    >>> shorten_pod("hello-00003-deployment-7d9f6c-x2lqp")
    '00003-x2lqp'
    """
    head, middle, tail = pod.partition("-deployment-")
    return f"{head.rpartition('-')[2]}-{tail.rpartition('-')[2]}" if middle else pod


def _paint(text: str, level: str) -> str:
    return talk.paint(text, _COLOURS[level], sys.stdout) if level in _COLOURS else text


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if " " in text and isinstance(value, str) else text


def _parse(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
