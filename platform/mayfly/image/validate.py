"""Check that the parts of an image agree with each other."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from mayfly import errors
from mayfly.image import digest as digests
from mayfly.image import image as images
from mayfly.image import layer, manifest, media

_CHUNK = 1024 * 1024


def find_problems(image: images.Image) -> list[str]:
    """Return one sentence for each rule that ``image`` breaks; an empty list means that it is sound.

    Layers whose content is at hand are read whole: digest, size and diff id are computed anew.
    """
    return [
        *_find_manifest_problems(image),
        *_find_config_problems(image),
        *(problem for item in image.layers for problem in _find_layer_problems(item)),
    ]


def validate(image: images.Image) -> images.Image:
    """Return ``image`` if it is sound.

    Raises:
        errors.InvalidImage: it is not; the message lists every problem.
    """
    if problems := find_problems(image):
        raise errors.InvalidImage(f"image {image.digest} is not sound: {'; '.join(problems)}; build it again")
    return image


def _find_manifest_problems(image: images.Image) -> Iterator[str]:
    read = manifest.parse_manifest(image.manifest_bytes, image.media_type)
    if isinstance(read, manifest.Index):
        yield "its manifest is an index"
        return
    if (read.config.digest, read.config.size) != (image.config_digest, len(image.config_bytes)):
        yield f"the manifest names config {read.config.digest}, the config is {image.config_digest}"
    if [(item.digest, item.size) for item in read.layers] != [(item.digest, item.size) for item in image.layers]:
        yield "the manifest lists other layers than the image has"
    if image.media_type == media.DOCKER_MANIFEST and any(".oci." in item.media_type for item in read.layers):
        yield "a Docker manifest lists a layer of an OCI media type"


def _find_config_problems(image: images.Image) -> Iterator[str]:
    if (listed := image.diff_ids) != (made := tuple(item.diff_id for item in image.layers)):
        yield f"the config lists diff ids {list(listed)}, the layers have {list(made)}"
    history = image.config.get("history")
    described = sum(not item.get("empty_layer", False) for item in history or ())
    if history is not None and described != len(image.layers):
        yield f"the history describes {described} layers of {len(image.layers)}"


def _find_layer_problems(item: layer.Layer) -> Iterator[str]:
    for value in (item.digest, item.diff_id):
        if not digests.is_digest(value):
            yield f"{value!r} is not a digest"
    if item.content is None:
        return
    with item.content() as blob:
        digest, size = _measure(blob)
    if (digest, size) != (item.digest, item.size):
        yield f"layer {item.digest} of {item.size} bytes has the content {digest} of {size} bytes"
    elif "gzip" in item.media_type and (unpacked := _measure_unpacked(item)) != item.diff_id:
        yield f"layer {item.digest} unpacks to {unpacked}, not to {item.diff_id}"


def _measure_unpacked(item: layer.Layer) -> str:
    assert item.content is not None
    try:
        with item.content() as blob, gzip.open(blob, "rb") as archive:
            return _measure(archive)[0]  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as problem:
        return f"nothing ({problem})"


def _measure(source: BinaryIO) -> tuple[str, int]:
    hashed, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        hashed.update(chunk)
        size += len(chunk)
    return f"sha256:{hashed.hexdigest()}", size
