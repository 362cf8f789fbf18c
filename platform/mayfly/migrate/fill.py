"""Put single values into a draft: each is checked by the CRD's rules, and what breaks one is dropped with a remark."""

from __future__ import annotations

import math
import re

from mayfly import errors
from mayfly.migrate import draft, text
from mayfly.model import duration, function, quantity

_HANDLER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_.]*)?")
_QUANTITY = re.compile(r"([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")
_MAX_HANDLER = 253
_MAX_SECONDS = 600
_IDLE = (6, 3600)
_MAX_DURATION = 32
_OFFERED = {each.value for each in function.Runtime}

Draft = draft.Draft
Node = text.Node


def runtime(target: Draft, node: Node, language: str, version: str = "") -> None:
    """Set the runtime, or block the draft when the language is not offered."""
    exact = f"{language}{version}"
    if exact in _OFFERED:
        target.put(node, "runtime", exact)
    elif language in _OFFERED:
        newest = ", ".join(sorted(_OFFERED - {language})) or language
        target.put(node, "runtime", language, f"{exact} is not offered: the newest is used ({newest}); try it out")
    else:
        target.blocked = f"the runtime {text.cut(exact)} is not offered (offered: {', '.join(sorted(_OFFERED))})"
        target.book.drop(node, f"{target.blocked}; give its image as spec.source.image, which serves HTTP on $PORT")


def image(target: Draft, node: Node, how: str) -> None:
    """Take a ready image as the source, which makes the language a matter of indifference."""
    if not _IMAGE.fullmatch(node.text):
        target.book.drop(node, f"{node.shown} is not a reference to an image; set spec.source.image")
        return
    target.folder, target.blocked = None, ""
    target.fields.pop("runtime", None)
    target.put(node, "source", {"image": node.text}, how)


def handler(target: Draft, node: Node, module: str, name: str, how: str = "") -> None:
    """Set the handler."""
    value = f"{module}:{name}"
    if _HANDLER.fullmatch(value) and len(value) <= _MAX_HANDLER:
        target.put(node, "handler", value, how)
    else:
        target.book.drop(node, f"{node.shown} names no Python function; set spec.handler to module:name")


def timeout(target: Draft, node: Node, seconds: float | None, how: str = "") -> None:
    """Set the longest time for one call, cut to what the platform allows."""
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        target.book.drop(node, f"{node.shown} is no time such as 30s; set spec.timeout, at most 10m")
        return
    kept = min(max(seconds, 1), _MAX_SECONDS)
    if kept != seconds:
        how = f"{how + '; ' if how else ''}cut to what is allowed, 1s to 10m; divide longer work, or call it later"
    target.put(node, "timeout", duration.format_duration(kept), how)


def idle(target: Draft, node: Node, seconds: float | None, how: str = "") -> None:
    """Set the time after which instances without requests go away."""
    if seconds is None or seconds <= 0:
        target.book.drop(node, f"{node.shown} is no time such as 30s; set spec.scaling.idle")
        return
    kept = min(max(seconds, _IDLE[0]), _IDLE[1])
    limit = "" if kept == seconds else "cut to what is allowed, 6s to 1h"
    target.put(node, "scaling.idle", duration.format_duration(kept), "; ".join(filter(None, [how, limit])))


def count(target: Draft, node: Node, path: str, *, low: int, high: int, how: str = "") -> None:
    """Set a whole number, cut to its range."""
    number = node.number
    if number is None or number < low:
        target.book.drop(node, f"{node.shown} is not a whole number from {low} to {high}; set spec.{path}")
        return
    limit = "" if number <= high else f"cut to {high}, the most that is allowed"
    target.put(node, path, min(number, high), "; ".join(filter(None, [how, limit])))


def amount(target: Draft, node: Node, path: str, how: str = "") -> None:
    """Set a quantity such as 128Mi."""
    if not node.is_scalar or not _QUANTITY.fullmatch(node.text):
        target.book.drop(node, f"{node.shown} is not a quantity such as 500m or 128Mi; set spec.{path}")
        return
    target.put(node, path, quantity.canonical(node.text), how)


def seconds_of(node: Node) -> float | None:
    """Return the seconds of a duration of Go or of a plain number of seconds, None when it is neither."""
    if not node.is_scalar or len(node.text) > _MAX_DURATION:
        return None
    if node.number is not None:
        return float(node.number)
    try:
        return duration.parse_duration(node.text)
    except errors.SpecError:
        return None
