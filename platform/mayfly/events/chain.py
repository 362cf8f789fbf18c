"""How long a chain of events is (invariant I6): replies and destinations count, what comes from outside begins anew.

The number travels as an extension attribute of events and as a header of other calls. Whoever passes a reply on sets
it, whatever the function wrote, so a loop through functions ends; that a stranger can write a number into the events
they send harms only these.
"""

from __future__ import annotations

from mayfly.events import event

ATTRIBUTE = "mayflydepth"
HEADER = "mayfly-depth"
MAX_DEPTH = 3
"""Links of a chain after the first event."""


def parse_depth(text: str | None) -> int:
    """Return the depth that an attribute or header says; what is absent or no small number is 0."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 3 else 0  # noqa: PLR2004


def depth_of(one: event.Event) -> int:
    """Return how many events led to ``one``."""
    return parse_depth(one.attributes.get(ATTRIBUTE))


def is_too_deep(depth: int) -> bool:
    """Tell whether what has this depth is dead-lettered (``TooDeep``) instead of delivered."""
    return depth > MAX_DEPTH


def link(reply: event.Event, parent_depth: int) -> event.Event:
    """Return the ``reply`` to something of ``parent_depth``, one deeper than it and never less deep than it says."""
    return reply.replace(**{ATTRIBUTE: str(max(parent_depth + 1, depth_of(reply)))})
