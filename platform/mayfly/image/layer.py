"""A layer: one compressed archive of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from mayfly.image import media, reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A blob of an image, described by what it holds; equal digests mean equal layers.

    ``digest`` and ``size`` (bytes) are of the compressed blob, ``diff_id`` is the digest of the uncompressed archive
    and empty for a blob that is no archive. ``content`` opens the compressed bytes anew at each call; it is ``None``
    for a layer that was not downloaded, whose bytes are then to be had at ``origin``. ``created_by`` becomes the
    layer's history entry.
    """

    digest: str
    size: int
    diff_id: str = ""
    media_type: str = media.OCI_LAYER
    content: Callable[[], BinaryIO] | None = field(default=None, compare=False, repr=False)
    origin: reference.ImageRef | None = field(default=None, compare=False)
    created_by: str = field(default="", compare=False)

    def make_descriptor(self) -> dict[str, Any]:
        """Return the layer's entry for a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
