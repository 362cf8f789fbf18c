"""An artifact: files kept in a registry that are not an image (image-spec 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mayfly.image import digest as digests
from mayfly.image import layer, manifest, media

EMPTY_CONFIG = b"{}"
"""The content of an artifact's config; its descriptor is fixed by the specification ("Guidance for an Empty
Descriptor")."""


@dataclass(frozen=True)
class Artifact:
    """``layers`` of any media type under one manifest that names ``artifact_type``."""

    artifact_type: str
    layers: tuple[layer.Layer, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    received: bytes | None = field(default=None, repr=False)

    media_type = media.OCI_MANIFEST
    config_bytes = EMPTY_CONFIG
    config_digest = digests.compute_digest(EMPTY_CONFIG)

    @cached_property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is pushed."""
        config = {"mediaType": media.OCI_EMPTY, "digest": self.config_digest, "size": len(EMPTY_CONFIG)}
        return self.received or manifest.make_json(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "artifactType": self.artifact_type,
                "config": config,
                "layers": [item.make_descriptor() for item in self.layers],
                **({"annotations": dict(self.annotations)} if self.annotations else {}),
            }
        )

    @cached_property
    def digest(self) -> str:
        """The artifact's digest: that of its manifest."""
        return digests.compute_digest(self.manifest_bytes)


def make_artifact(
    artifact_type: str, layers: Iterable[layer.Layer], *, annotations: Mapping[str, str] | None = None
) -> Artifact:
    """Return an artifact of ``layers``; annotations are sorted by name."""
    return Artifact(artifact_type, tuple(layers), tuple(sorted((annotations or {}).items())))


def make_blob(data: bytes, media_type: str) -> layer.Layer:
    """Return ``data`` as a layer as it stands, neither packed nor compressed here."""
    return layer.Layer(
        media_type=media_type,
        digest=digests.compute_digest(data),
        size=len(data),
        content=functools.partial(io.BytesIO, data),
    )
