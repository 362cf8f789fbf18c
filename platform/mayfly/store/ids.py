"""Make identifiers that sort by time: UUID version 7, https://www.rfc-editor.org/rfc/rfc9562#section-5.7."""

from __future__ import annotations

import os
import uuid

RANDOM_BYTES = 10


def make_id(now: float, randomness: bytes | None = None) -> str:
    """Return a UUIDv7 for ``now`` (POSIX seconds), with ten random bytes (default: the system's).

    >>> make_id(1645557742.0, bytes.fromhex("0cc318c4dc0c0c07398f"))
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'
    """
    chance = int.from_bytes(os.urandom(RANDOM_BYTES) if randomness is None else randomness)
    value = int(now * 1000) << 80 | 7 << 76 | (chance >> 64 & 0xFFF) << 64 | 2 << 62 | chance & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))
