"""Manifests and indexes as they come from a registry or a disk: JSON text to types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mayfly import errors
from mayfly.image import digest as digests
from mayfly.image import media

MAX_BYTES = 4 * 1024 * 1024
"""Largest manifest or config we read (distribution-spec, "Pushing Manifests": a registry should take 4 MiB)."""


def _check_digest(text: str) -> str:
    if not digests.is_digest(text):
        raise ValueError(f"{text!r} is not a digest")
    return text


Digest = Annotated[str, AfterValidator(_check_digest)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Platform(_Wire):
    """What a manifest of an index runs on; ``variant`` such as ``v8`` is ``None`` where one kind exists."""

    os: str
    architecture: str
    variant: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


LINUX_AMD64 = Platform(os="linux", architecture="amd64")


class Descriptor(_Wire):
    """A pointer to content: what it is, its digest, and its size in bytes (image-spec, "descriptor.md")."""

    media_type: str
    digest: Digest
    size: int = Field(ge=0)
    platform: Platform | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = None


class Manifest(_Wire):
    """One image or artifact (image-spec, "manifest.md")."""

    media_type: str = media.OCI_MANIFEST
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Index(_Wire):
    """One manifest for each platform (image-spec, "image-index.md")."""

    media_type: str = media.OCI_INDEX
    manifests: tuple[Descriptor, ...]

    def choose(self, platform: Platform = LINUX_AMD64) -> Descriptor:
        """Return the first manifest for ``platform``; its variant matters only if ``platform`` has one.

        Raises:
            errors.InvalidImage: the index has none; the message lists what it has.
        """
        for descriptor in self.manifests:
            offered = descriptor.platform
            if offered and _fits(offered, platform):
                return descriptor
        offers = ", ".join(str(descriptor.platform or "unnamed") for descriptor in self.manifests) or "nothing"
        raise errors.InvalidImage(f"no image for platform {platform}: the index offers {offers}; choose another image")


def _fits(offered: Platform, wanted: Platform) -> bool:
    return (offered.os, offered.architecture) == (wanted.os, wanted.architecture) and (
        wanted.variant in {None, offered.variant}
    )


def parse_manifest(data: bytes, media_type: str) -> Manifest | Index:
    """Return the manifest or index in ``data``, which was served as ``media_type``.

    Raises:
        errors.InvalidImage: it is of another type, not JSON, or lacks a required field.
    """
    found = {"mediaType": media_type, **parse_object(data, "manifest")}
    model = Index if media_type in media.INDEXES else Manifest if media_type in media.MANIFESTS else None
    if model is None or found["mediaType"] != media_type:
        raise errors.InvalidImage(
            f"manifest of type {media_type!r} (itself saying {found['mediaType']!r}) cannot be used: it must be an OCI"
            " or Docker v2 schema 2 manifest or index; push the image again with a current tool"
        )
    try:
        return model.model_validate(found)
    except pydantic.ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise errors.InvalidImage(f"manifest is not valid: {where}: {first['msg']}; push the image again") from problem


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in ``data``; ``what`` names it in the error.

    Raises:
        errors.InvalidImage: it is too large, not JSON, or not an object.
    """
    if len(data) > MAX_BYTES:
        raise errors.InvalidImage(f"{what} has {len(data)} bytes, at most {MAX_BYTES} are read; push a smaller one")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise errors.InvalidImage(f"{what} is not JSON: {problem}; push the image again") from problem
    if not isinstance(found, dict):
        raise errors.InvalidImage(f"{what} is not a JSON object; push the image again")
    return found


def make_json(value: Mapping[str, Any]) -> bytes:
    """Return ``value`` as compact JSON in the order of its keys: equal values built alike give equal bytes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
