"""A registry as a source of images; layers stay where they are until somebody needs their bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from mayfly import errors
from mayfly.image import image as images
from mayfly.image import layer, manifest, reference, tar
from mayfly.registry import client as clients


async def pull_image(
    client: clients.RegistryClient,
    ref: reference.ImageRef,
    *,
    platform: manifest.Platform = manifest.LINUX_AMD64,
) -> images.Image:
    """Return the image at ``ref``, of ``platform`` if there are several; three requests at most.

    Its layers have no content but an ``origin``: ``push_image`` mounts them, ``fetch_layer`` downloads one.

    Raises:
        errors.RegistryError: it cannot be had.
        errors.InvalidImage: it is no image, or not for ``platform``.
    """
    found, received = await _find_manifest(client, ref, platform)
    config = await client.read_blob(repository=ref.repository, digest=found.config.digest, size=_check_size(found, ref))
    image = images.Image(
        config_bytes=config,
        media_type=received.media_type,
        config_type=found.config.media_type,
        received=received.data,
    )
    if len(image.diff_ids) != len(found.layers):
        raise errors.InvalidImage(
            f"{ref} has {len(found.layers)} layers but diff ids for {len(image.diff_ids)}; push the image again"
        )
    origin = ref.with_digest(received.digest)
    return replace(
        image,
        layers=tuple(
            make_lazy_layer(item, origin, diff_id=diff_id)
            for item, diff_id in zip(found.layers, image.diff_ids, strict=True)
        ),
    )


async def fetch_layer(client: clients.RegistryClient, item: layer.Layer, out: BinaryIO) -> layer.Layer:
    """Return ``item`` with its content at hand, downloaded from its origin to the empty file ``out``.

    ``out`` is open for reading and writing, and the caller keeps it open while the layer lives. A layer that has its
    content already is returned as it is.
    """
    if item.content is not None:
        return item
    if item.origin is None:
        raise errors.InvalidImage(f"layer {item.digest} has neither content nor origin; build the image again")
    await client.fetch_blob(out, repository=item.origin.repository, digest=item.digest, size=item.size)
    return replace(item, content=tar.make_opener(out, item.size))


def make_lazy_layer(descriptor: manifest.Descriptor, origin: reference.ImageRef, *, diff_id: str = "") -> layer.Layer:
    """Return the layer that ``descriptor`` names in the repository of ``origin``, without its content."""
    return layer.Layer(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        diff_id=diff_id,
        origin=origin,
    )


async def _find_manifest(
    client: clients.RegistryClient, ref: reference.ImageRef, platform: manifest.Platform
) -> tuple[manifest.Manifest, clients.ReceivedManifest]:
    """Return the manifest at ``ref``, behind an index if there is one."""
    received = await client.get_manifest(ref)
    found = manifest.parse_manifest(received.data, received.media_type)
    if isinstance(found, manifest.Index):
        received = await client.get_manifest(ref.with_digest(found.choose(platform).digest))
        found = manifest.parse_manifest(received.data, received.media_type)
    if isinstance(found, manifest.Index):
        raise errors.InvalidImage(f"{ref} is an index of indexes; name one of its images")
    return found, received


def _check_size(found: manifest.Manifest, ref: reference.ImageRef) -> int:
    if found.config.size > manifest.MAX_BYTES:
        raise errors.InvalidImage(
            f"the config of {ref} has {found.config.size} bytes, at most {manifest.MAX_BYTES} are read"
        )
    return found.config.size
