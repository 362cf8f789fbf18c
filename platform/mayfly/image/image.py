"""An image: config and layers, from which manifest and digest follow."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mayfly.image import digest as digests
from mayfly.image import layer, manifest, media

EPOCH = "1970-01-01T00:00:00Z"
"""``created`` of everything we make: a clock would change the digest of equal content."""


@dataclass(frozen=True)
class Image:
    """An image that never changes; ``append`` and ``configure`` return new ones.

    ``media_type`` is the manifest's. ``layers`` are oldest first. ``received`` keeps a pulled manifest byte for
    byte, so that an image that is only copied keeps its digest; it is ``None`` for an image made here.
    """

    config_bytes: bytes
    layers: tuple[layer.Layer, ...] = ()
    media_type: str = media.OCI_MANIFEST
    config_type: str = media.OCI_CONFIG
    received: bytes | None = field(default=None, repr=False)

    @cached_property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is pushed."""
        return self.received or manifest.make_json(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "config": {"mediaType": self.config_type, "digest": self.config_digest, "size": len(self.config_bytes)},
                "layers": [item.make_descriptor() for item in self.layers],
            }
        )

    @cached_property
    def digest(self) -> str:
        """The image's digest: that of its manifest."""
        return digests.compute_digest(self.manifest_bytes)

    @cached_property
    def config_digest(self) -> str:
        """The digest of the config."""
        return digests.compute_digest(self.config_bytes)

    @property
    def config(self) -> dict[str, Any]:
        """A copy of the config (image-spec, "config.md"); changing it does not change the image."""
        return copy.deepcopy(self._config)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the config; empty when it has none."""
        return dict((self._config.get("config") or {}).get("Labels") or {})

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, oldest first, as the config has them."""
        return tuple((self._config.get("rootfs") or {}).get("diff_ids") or ())

    @cached_property
    def _config(self) -> dict[str, Any]:
        return manifest.parse_object(self.config_bytes, "image config")


def empty(platform: manifest.Platform = manifest.LINUX_AMD64) -> Image:
    """Return an image without layers."""
    return Image(
        config_bytes=manifest.make_json(
            {
                "created": EPOCH,
                "architecture": platform.architecture,
                "os": platform.os,
                **({"variant": platform.variant} if platform.variant else {}),
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": []},
                "history": [],
            }
        )
    )


def append(image: Image, layers: Iterable[layer.Layer]) -> Image:
    """Return ``image`` with ``layers`` (oldest first) on top; they take on the media type of its dialect."""
    added = tuple(replace(item, media_type=media.LAYER_OF[image.media_type]) for item in layers)
    config = image.config
    config["rootfs"] = {"type": "layers", "diff_ids": [*image.diff_ids, *(item.diff_id for item in added)]}
    config["history"] = [
        *_complete_history(config.get("history") or [], len(image.layers)),
        *({"created": EPOCH, "created_by": item.created_by or "mayfly"} for item in added),
    ]
    return _remake(image, config, layers=(*image.layers, *added))


def configure(
    image: Image,
    *,
    user: str | None = None,
    entrypoint: Sequence[str] | None = None,
    command: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    working_dir: str | None = None,
) -> Image:
    """Return ``image`` with another run configuration; ``None`` leaves a part as it is.

    ``env`` and ``labels`` are added to what is there and win over it. A new ``entrypoint`` drops the old command,
    which was made for the old one. ``created`` becomes the epoch.
    """
    config = image.config
    run = dict(config.get("config") or {})
    if entrypoint is not None:
        run["Entrypoint"] = list(entrypoint)
        run.pop("Cmd", None)
    changes = {"User": user, "Cmd": None if command is None else list(command), "WorkingDir": working_dir}
    run.update({key: value for key, value in changes.items() if value is not None})
    if env:
        run["Env"] = _merge_env(run.get("Env") or [], env)
    if labels:
        run["Labels"] = dict(sorted({**(run.get("Labels") or {}), **labels}.items()))
    config["config"] = run
    config["created"] = EPOCH
    return _remake(image, config)


def _remake(image: Image, config: dict[str, Any], *, layers: tuple[layer.Layer, ...] | None = None) -> Image:
    return replace(
        image,
        config_bytes=manifest.make_json(config),
        layers=image.layers if layers is None else layers,
        received=None,
    )


def _complete_history(history: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return ``history`` with one non-empty entry for each of ``count`` layers, as readers of configs expect."""
    described = sum(not item.get("empty_layer", False) for item in history)
    return [*history, *({"created": EPOCH, "created_by": "base"} for _ in range(count - described))]


def _merge_env(existing: Sequence[str], added: Mapping[str, str]) -> list[str]:
    """Return ``NAME=value`` texts: the existing order first, then new names in alphabetical order."""
    merged = dict(item.partition("=")[::2] for item in existing)
    merged.update(sorted(added.items()))
    return [f"{name}={value}" for name, value in merged.items()]
