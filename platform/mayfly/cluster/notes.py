"""Fold many happenings into few Events.

Pure: time is passed in. The rules follow client-go's event correlator
(https://pkg.go.dev/k8s.io/client-go/tools/record#EventCorrelator): the same again counts up; many of one reason that
differ only in their text become one.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Type = Literal["Normal", "Warning"]

MAX_KNOWN = 2048
"""Happenings remembered; the one longest quiet is forgotten first and would start a new Event."""
MAX_VARIANTS = 10
"""So many texts of one reason about one object get Events of their own; the rest share one."""
MAX_MESSAGE = 1024
"""Characters the API server takes (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/)."""
COMBINED = "(combined from similar events): "


@dataclasses.dataclass(slots=True)
class Note:
    """One Event as it should be: ``count`` times from ``first`` to ``last`` (RFC 3339).

    ``event`` is the name under which it is stored, ``None`` until it is; ``written_at`` the monotonic time of that.
    """

    about: Mapping[str, Any]
    type: Type
    reason: str
    message: str
    first: str
    last: str
    count: int = 1
    event: str | None = None
    written_at: float | None = None
    tries: int = 0


Id = tuple[str, str, str, str]


class Notes:
    """Remember what happened to which object, in bounded memory."""

    def __init__(self) -> None:
        self._known: collections.OrderedDict[Id, Note] = collections.OrderedDict()
        self._dirty: dict[Id, None] = {}
        self._variants: collections.OrderedDict[tuple[str, str, str], set[str]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, obj: Mapping[str, Any], *, type_: Type, reason: str, message: str, wall: str) -> None:
        """Note one happening at ``wall``."""
        about = make_reference(obj)
        message = self._fold(about, type_, reason, message[:MAX_MESSAGE])
        key = (_identity(about), type_, reason, COMBINED if message.startswith(COMBINED) else message)
        note = self._known.get(key)
        if note is None:
            note = Note(about=about, type=type_, reason=reason, message=message, first=wall, last=wall)
            self._known[key] = note
        else:
            note.count += 1
            note.last = wall
            note.message = message
        self._known.move_to_end(key)
        self._dirty[key] = None
        while len(self._known) > MAX_KNOWN:
            oldest, _ = self._known.popitem(last=False)
            self._dirty.pop(oldest, None)

    def take(self, *, now: float, pause: float) -> Note | None:
        """Return the next Event to write: a new one at once, a repeated one ``pause`` seconds after its last write.

        ``None`` when there is none; the note counts as written unless ``add`` or ``retry`` touches it again.
        """
        for key in self._dirty:
            note = self._known[key]
            if note.written_at is None or now - note.written_at >= pause:
                del self._dirty[key]
                note.written_at = now
                return note
        return None

    def retry(self, note: Note) -> None:
        """Have ``note`` written again later; it was not stored."""
        for key, known in self._known.items():
            if known is note:
                self._dirty[key] = None
                return

    def _fold(self, about: Mapping[str, Any], type_: Type, reason: str, message: str) -> str:
        """Return ``message``, marked as combined when the reason already has its share of different texts."""
        group = (_identity(about), type_, reason)
        variants = self._variants.setdefault(group, set())
        self._variants.move_to_end(group)
        while len(self._variants) > MAX_KNOWN:
            self._variants.popitem(last=False)
        if message in variants:
            return message
        if len(variants) < MAX_VARIANTS:
            variants.add(message)
            return message
        return f"{COMBINED}{message}"[:MAX_MESSAGE]


def make_reference(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an Event says about the object it is about (``involvedObject``)."""
    metadata = obj["metadata"]
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"]}
    for field in ("namespace", "uid", "resourceVersion"):
        if metadata.get(field):
            reference[field] = metadata[field]
    return reference


def make_event(note: Note, *, name: str, component: str, instance: str) -> dict[str, Any]:
    """Return the core/v1 Event for ``note``; one about an object without namespace lies in ``default``."""
    namespace = note.about.get("namespace") or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": note.about,
        "type": note.type,
        "reason": note.reason,
        "message": note.message,
        "firstTimestamp": note.first,
        "lastTimestamp": note.last,
        "count": note.count,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": instance,
    }


def _identity(about: Mapping[str, Any]) -> str:
    fields = ("kind", "namespace", "name", "uid")
    return "/".join(str(about.get(field) or "") for field in fields)
