"""What is kept with an invocation for whoever delivers it. Pure."""

from __future__ import annotations

import dataclasses
import json


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """Empty texts are not kept."""

    traceparent: str = ""
    """The trace in which it was accepted (https://www.w3.org/TR/trace-context/); every delivery continues it."""
    tracestate: str = ""
    callback: str = ""
    """Where the answer goes besides (``X-Callback-Url``)."""
    call_id: str = ""
    """``X-Call-Id`` of the caller, handed on to the function and the callback."""
    client: str = ""
    """Who sent it, as a policy or Kubernetes named them."""

    def to_text(self) -> str:
        """Return the text that the store keeps, empty for nothing."""
        kept = {name: value for name in _NAMES if (value := getattr(self, name))}
        return _write(kept) if kept else ""

    def for_follow_up(self) -> Context:
        """Return what a follow-up inherits: the trace."""
        return Context(traceparent=self.traceparent, tracestate=self.tracestate)


_NAMES = tuple(field.name for field in dataclasses.fields(Context))
_write = json.JSONEncoder(separators=(",", ":")).encode
EMPTY = Context()


def parse_context(text: str) -> Context:
    """Return the context of ``text``; what a later version added is left out."""
    kept = json.loads(text) if text else {}
    return Context(**{name: value for name, value in kept.items() if name in _NAMES})
