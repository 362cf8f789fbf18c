"""Content digests: ``algorithm:hex`` (image-spec, "descriptor.md#digests")."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, Protocol

from mayfly import errors

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
"""The registered algorithms and the length of their hexadecimal form."""
_FORM = re.compile(r"(?P<algorithm>[a-z0-9]+):(?P<hex>[a-f0-9]+)", re.ASCII)


def compute_digest(data: bytes) -> str:
    """Return the digest of ``data`` as ``sha256:<64 hex>``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a well-formed digest of a registered algorithm."""
    match = _FORM.fullmatch(text)
    return match is not None and _HEX_LENGTH.get(match["algorithm"]) == len(match["hex"])


def parse_digest(text: str) -> str:
    """Return ``text`` if it is a digest.

    Raises:
        errors.InvalidName: it is not; the message says what is wrong and what to write.
    """
    if is_digest(text):
        return text
    raise errors.InvalidName(
        f"digest {text!r} is not valid: it must be sha256: and 64, or sha512: and 128, lower-case hexadecimal digits;"
        " copy it from the output of the push"
    )


def make_hash(digest: str) -> _Hash:
    """Return an empty hash object of the algorithm that ``digest`` names."""
    return hashlib.new(parse_digest(digest).partition(":")[0])


class _Out(Protocol):
    def write(self, data: bytes, /) -> int:
        """Take ``data``."""


class HashingWriter(io.RawIOBase):
    """Pass bytes on, and keep their digest and their number."""

    def __init__(self, out: _Out) -> None:
        super().__init__()
        self._out = out
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Pass ``data`` on."""
        self._out.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> str:
        """The digest of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"
