"""Put triggers into a draft: schedules and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mayfly.migrate import cron, draft, naming, text

_MAX_TEXT = 1024
_MAX_NAME = 63

Draft = draft.Draft
Node = text.Node


def schedule(
    target: Draft, node: Node, convert: Callable[[str], cron.Converted], *, name: str = "", how: str = ""
) -> bool:
    """Add a schedule; return whether it could be converted."""
    try:
        found = convert(node.text)
    except cron.NotConvertible as error:
        target.book.drop(node, f"schedule {node.shown}: {error}")
        return False
    zone = {"timezone": found.timezone} if found.timezone else {}
    return _add(
        target, node, name, {"schedule": {"cron": found.cron} | zone}, "; ".join(filter(None, [found.how, how]))
    )


def event(target: Draft, node: Node, content: Mapping[str, Any], *, name: str = "", how: str = "") -> bool:
    """Add a trigger for events; return whether it was possible."""
    texts = [content.get(key) for key in ("type", "source", "subject")]
    texts += (content.get("attributes") or {}).values()
    bad = [one for one in texts if one is not None and not 0 < len(one) <= _MAX_TEXT]
    if bad or (not any(texts) and not content.get("filters")):
        target.book.drop(node, "it names no type, source or attribute of events; add a trigger to spec.triggers")
        return False
    return _add(target, node, name, {"event": {key: value for key, value in content.items() if value}}, how)


def _add(target: Draft, node: Node, name: str, content: dict[str, Any], how: str) -> bool:
    if len(target.triggers) >= draft.MAX_TRIGGERS:
        target.book.drop(node, f"more than {draft.MAX_TRIGGERS} triggers; divide the function")
        return False
    taken = {one["name"] for one in target.triggers if "name" in one}
    label = {"name": naming.make_unique(naming.make_name(name, _MAX_NAME), taken, _MAX_NAME)} if name else {}
    target.triggers.append(label | content)
    target.book.carry(node, f"spec.triggers[{label.get('name', len(target.triggers) - 1)}]", how)
    return True
