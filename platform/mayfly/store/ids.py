"""Make identifiers that sort by time: UUID version 7, https://www.rfc-editor.org/rfc/rfc9562#section-5.7."""

from __future__ import annotations

import os
import uuid

RANDOM_BYTES = 10
_POOL_BYTES = RANDOM_BYTES * 400


class _Pool:
    """Bytes of the system's, asked for many at a time.

    To ask is to let other threads run: one that writes keeps the interpreter for as long as it can, and the event loop
    waits. Each byte is given once; a child process begins anew, or parent and child would give the same.
    """

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Drop what is left."""
        self._pieces: list[bytes] = []

    def take(self) -> bytes:
        """Return ``RANDOM_BYTES`` bytes. Threads may call it: of a list each element is popped once."""
        try:
            return self._pieces.pop()
        except IndexError:
            fresh = os.urandom(_POOL_BYTES)
            pieces = [fresh[at : at + RANDOM_BYTES] for at in range(0, _POOL_BYTES, RANDOM_BYTES)]
            piece = pieces.pop()
            self._pieces = pieces
            return piece


_pool = _Pool()


def make_id(now: float, randomness: bytes | None = None) -> str:
    """Return a UUIDv7 for ``now`` (POSIX seconds), with ten random bytes (default: the system's).

    >>> make_id(1645557742.0, bytes.fromhex("0cc318c4dc0c0c07398f"))
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'
    """
    chance = int.from_bytes(_pool.take() if randomness is None else randomness)
    value = int(now * 1000) << 80 | 7 << 76 | (chance >> 64 & 0xFFF) << 64 | 2 << 62 | chance & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))
