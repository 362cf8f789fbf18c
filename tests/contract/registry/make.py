"""Values that the tests of this room push."""

from __future__ import annotations

import hashlib

from mayfly.image import entry, image, layer, tar


def make_layer(text: str, size: int = 0) -> layer.Layer:
    """A layer that no other text gives; ``size`` adds bytes that do not compress."""
    blocks = (hashlib.sha256(f"{text}{number}".encode()).digest() for number in range(size // 32 + 1))
    noise = b"".join(blocks)[:size]
    return tar.make_layer([entry.make_file("app/main.py", text.encode()), entry.make_file("app/noise", noise)])


def make_image(*layers: layer.Layer) -> image.Image:
    return image.configure(image.append(image.empty(), layers), user="65532:65532", labels={"mayfly.dev/x": "y"})
