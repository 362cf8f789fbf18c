"""A directory as source and sink of images (image-spec, "image-layout.md"); skopeo, crane and others read it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mayfly import errors
from mayfly.image import digest as digests
from mayfly.image import image as images
from mayfly.image import layer, manifest, media
from mayfly.registry import client as clients

_TAG = "org.opencontainers.image.ref.name"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


async def write_layout(
    path: Path, image: images.Image, *, tag: str = "latest", source: clients.RegistryClient | None = None
) -> None:
    """Write ``image`` into the layout at ``path``, beside what is there; a different image of the same tag is replaced.

    Layers without content are downloaded through ``source``. Every file appears whole or not at all, ``index.json``
    last, so the layout is readable at any moment.

    Raises:
        errors.RegistryError: a layer could not be downloaded.
        errors.InvalidImage: a layer has neither content nor a ``source``.
    """
    for item in image.layers:
        target = _find_blob(path, item.digest)
        if target.exists():
            continue
        if item.content is not None:
            await asyncio.to_thread(_write_from, target, item.content)
        elif item.origin is not None and source is not None:
            with _replace(target) as out:
                await source.fetch_blob(out, repository=item.origin.repository, digest=item.digest, size=item.size)
        else:
            raise errors.InvalidImage(f"layer {item.digest} has no content here; give the registry it came from")
    await asyncio.to_thread(_write_ends, path, image, tag)


def read_layout(path: Path, *, tag: str = "latest") -> images.Image:
    """Return the image tagged ``tag`` in the layout at ``path``; layers read their files when asked.

    Raises:
        errors.InvalidImage: there is no such image, or a part of it is missing or damaged.
    """
    try:
        return _read_image(path, _choose(path, tag))
    except OSError as problem:
        raise errors.InvalidImage(f"layout {path} cannot be read: {problem}; write it again") from problem


def _read_image(path: Path, chosen: manifest.Descriptor) -> images.Image:
    data = _read_checked(path, chosen.digest)
    found = manifest.parse_manifest(data, chosen.media_type)
    if isinstance(found, manifest.Index):
        return _read_image(path, found.choose())
    config = _read_checked(path, found.config.digest)
    image = images.Image(
        config_bytes=config, media_type=found.media_type, config_type=found.config.media_type, received=data
    )
    if len(image.diff_ids) != len(found.layers):
        raise errors.InvalidImage(f"layout {path} lists other layers than its config; write it again")
    layers = tuple(
        layer.Layer(
            media_type=item.media_type,
            digest=item.digest,
            size=item.size,
            diff_id=diff_id,
            content=functools.partial(_open, _find_blob(path, item.digest)),
        )
        for item, diff_id in zip(found.layers, image.diff_ids, strict=True)
    )
    return dataclasses.replace(image, layers=layers)


def _choose(path: Path, tag: str) -> manifest.Descriptor:
    for item in _read_index(path):
        if (item.annotations or {}).get(_TAG) == tag:
            return item
    raise errors.InvalidImage(f"layout {path} has no image tagged {tag!r}; write it first")


def _read_index(path: Path) -> tuple[manifest.Descriptor, ...]:
    try:
        data = (path / "index.json").read_bytes()
    except FileNotFoundError:
        return ()
    found = manifest.parse_manifest(data, media.OCI_INDEX)
    assert isinstance(found, manifest.Index)
    return found.manifests


def _read_checked(path: Path, digest: str) -> bytes:
    data = _find_blob(path, digest).read_bytes()
    hashed = digests.make_hash(digest)
    hashed.update(data)
    if hashed.hexdigest() != digest.partition(":")[2]:
        raise errors.InvalidImage(f"blob {digest} in layout {path} is damaged; remove the layout and write it again")
    return data


def _write_ends(path: Path, image: images.Image, tag: str) -> None:
    """Write all but the layers, what points before what is pointed to last."""
    for data in (image.config_bytes, image.manifest_bytes):
        _write(_find_blob(path, digests.compute_digest(data)), data)
    _write(path / "oci-layout", _LAYOUT)
    others = [item for item in _read_index(path) if (item.annotations or {}).get(_TAG) != tag]
    ours: dict[str, Any] = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": len(image.manifest_bytes),
        "annotations": {_TAG: tag},
    }
    kept = [item.model_dump(by_alias=True, exclude_none=True, mode="json") for item in others]
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [*kept, ours]}
    _write(path / "index.json", manifest.make_json(index))


def _find_blob(path: Path, digest: str) -> Path:
    algorithm, _, name = digests.parse_digest(digest).partition(":")
    return path / "blobs" / algorithm / name


def _write(target: Path, data: bytes) -> None:
    with _replace(target) as out:
        out.write(data)


def _write_from(target: Path, content: Callable[[], BinaryIO]) -> None:
    with content() as source, _replace(target) as out:
        shutil.copyfileobj(source, out)


@contextlib.contextmanager
def _replace(target: Path) -> Iterator[BinaryIO]:
    """Yield a new file that takes the place of ``target`` at the end, or vanishes on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as out:
        try:
            yield out  # type: ignore[misc]
            out.flush()
            os.chmod(out.name, 0o644)  # noqa: PTH101
            os.replace(out.name, target)  # noqa: PTH105
        except BaseException:
            os.unlink(out.name)  # noqa: PTH108
            raise


def _open(path: Path) -> BinaryIO:
    return path.open("rb")
