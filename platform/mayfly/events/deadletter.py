"""A dead letter as an event: the one that could not be delivered, with attributes that say why.

The attributes are those of Knative Eventing (https://knative.dev/docs/eventing/event-delivery/): destination, HTTP
status, and what the function answered, in base64 and cut at 1024 characters.
"""

from __future__ import annotations

import base64
import re
from types import MappingProxyType

from mayfly.events import event, retry

DESTINATION = "knativeerrordest"
CODE = "knativeerrorcode"
DATA = "knativeerrordata"
REASON = "mayflyreason"
ATTEMPTS = "mayflyattempts"
MAX_DATA = 1024
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_USER = re.compile(r"^([a-z]+://)[^/@]*@")


def make_dead_letter(one: event.Event, dead: retry.Dead, *, destination: str, answer: bytes = b"") -> event.Event:
    """Return ``one`` with the reason, attempts, ``destination`` (without user and query) and ``answer``.

    ``knativeerrorcode`` is absent when the last attempt got no HTTP answer. What is added does not count against the
    limits of an event: a dead letter is never refused for what it says of itself.
    """
    said = {REASON: dead.reason.value, ATTEMPTS: str(dead.attempts)}
    if dead.status is not None:
        said[CODE] = str(dead.status)
    said[DESTINATION] = _QUERY.sub("", _USER.sub(r"\1", destination))
    if answer:
        said[DATA] = base64.b64encode(answer[: MAX_DATA // 4 * 3]).decode()
    return event.Event(MappingProxyType({**one.attributes, **said}), one.data)
