"""The keys with which clients send events to a namespace: the entries of one Secret there, client name -> key."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from mayfly import errors
from mayfly.cluster import client, gatekeeper, kinds
from mayfly.eventing.reception import remembered
from mayfly.model import names

log = logging.getLogger(__name__)

SHORTEST_KEY = 16
"""Characters; a shorter key can be guessed. The gateway asks the same of the keys of routes."""
BELIEVED_SECONDS = 5.0
"""How long a Secret is believed, and that there is none; so long at most works a key that was taken away."""
NAMESPACES = 1024
"""Namespaces whose Secret is remembered: whoever asks for names that nobody has fills no memory."""
_KEY = re.compile(rf"[\x21-\x7e]{{{SHORTEST_KEY},}}")

Keys = tuple[tuple[str, bytes], ...]
"""Clients, each with its key."""


class Keyring:
    """Know the clients of every namespace."""

    def __init__(self, cluster: client.Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._known: remembered.Remembered[str, Keys] = remembered.Remembered(
            seconds=BELIEVED_SECONDS, most=NAMESPACES, clock=clock
        )

    async def find(self, namespace: str, key: str) -> str | None:
        """Return the client of ``namespace`` whose ``key`` it is, ``None`` when it is nobody's.

        Raises:
            gatekeeper.ReviewFailed: the Secret could not be read.
        """
        keys = await self._known.get(namespace, lambda: self._read(namespace))
        return find_client(keys, key)

    async def _read(self, namespace: str) -> Keys:
        try:
            secret = await self._cluster.get(kinds.SECRET, namespace, names.EVENT_KEYS_SECRET)
        except errors.NotFound:
            return ()
        except errors.ClusterError as error:
            place = {"namespace": namespace, "secret": names.EVENT_KEYS_SECRET}
            log.warning("the keys of a namespace cannot be read", extra=place | {"error": str(error)})
            raise gatekeeper.ReviewFailed(
                f"the call was refused because the Secret {names.EVENT_KEYS_SECRET} could not be read; try again"
            ) from error
        keys, unusable = parse_keys(secret.get("data") or {})
        if unusable:
            log.warning("keys that cannot be used", extra={"namespace": namespace, "clients": unusable})
        return keys


def parse_keys(data: Mapping[str, Any]) -> tuple[Keys, tuple[str, ...]]:
    """Return the keys in a Secret's ``data``, and the clients whose key cannot be used. Pure.

    A line break at the end does not belong to a key: editors and ``echo`` leave one. Of clients that have the same
    key only the first by name is known.
    """
    found: dict[bytes, str] = {}
    unusable = []
    for name, encoded in sorted(data.items()):
        key = _decode(encoded)
        if key is None or key in found:
            unusable.append(name)
        else:
            found[key] = name
    return tuple((name, key) for key, name in found.items()), tuple(unusable)


def find_client(keys: Keys, key: str) -> str | None:
    """Return the client with this ``key``. Pure; looks at every key, whichever it is, in constant time each."""
    given = key.encode()
    found = None
    for name, known in keys:
        if hmac.compare_digest(given, known):
            found = name
    return found


def _decode(encoded: Any) -> bytes | None:
    try:
        text = base64.b64decode(str(encoded)).decode("ascii").strip()
    except (binascii.Error, ValueError):
        return None
    return text.encode() if _KEY.fullmatch(text) else None
