"""A directory holds what a registry holds."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.image import image, validate
from mayfly.registry import layout, pull, push
from tests.contract.registry import make


async def test_layout_comes_back(tmp_path):
    """An image read from a layout is the one written, sound and with content."""
    made = make.make_image(make.make_layer("a"), make.make_layer("b"))
    await layout.write_layout(tmp_path / "out", made, tag="v1")
    read = layout.read_layout(tmp_path / "out", tag="v1")
    assert read.manifest_bytes == made.manifest_bytes
    assert validate.find_problems(read) == []


async def test_lazy_layers_are_downloaded(client, make_client, make_ref, tmp_path):
    """A pulled image is written whole, and can be pushed from there."""
    made = make.make_image(make.make_layer("far away"))
    ref = await push.push_image(client, made, make_ref())
    fresh = make_client(client.host)
    pulled = await pull.pull_image(fresh, ref)
    with pytest.raises(errors.InvalidImage, match="registry it came from"):
        await layout.write_layout(tmp_path, pulled)
    await layout.write_layout(tmp_path, pulled, source=fresh)
    again = await push.push_image(make_client(client.host), layout.read_layout(tmp_path), make_ref("/again"))
    assert again.digest == ref.digest


async def test_tags_live_side_by_side(tmp_path):
    """A second tag is added; the same tag is replaced; shared layers are written once."""
    base = make.make_image(make.make_layer("base"))
    other = image.append(base, [make.make_layer("top")])
    await layout.write_layout(tmp_path, base, tag="one")
    await layout.write_layout(tmp_path, base, tag="two")
    await layout.write_layout(tmp_path, other, tag="one")
    assert layout.read_layout(tmp_path, tag="one").digest == other.digest
    assert layout.read_layout(tmp_path, tag="two").digest == base.digest


async def test_same_image_gives_the_same_bytes(tmp_path):
    """Two layouts of one image are equal, file by file."""
    made = make.make_image(make.make_layer("same"))
    for name in ("one", "two"):
        await layout.write_layout(tmp_path / name, made)
    trees = [
        {
            str(file.relative_to(tmp_path / name)): file.read_bytes()
            for file in (tmp_path / name).rglob("*")
            if file.is_file()
        }
        for name in ("one", "two")
    ]
    assert trees[0] == trees[1]


async def test_failed_write_leaves_no_litter(tmp_path):
    """A layer that cannot be read leaves neither a blob nor an index."""

    def fail():
        raise OSError("disk")

    layer = make.make_layer("x")
    broken = image.append(
        image.empty(), [type(layer)(digest=layer.digest, size=layer.size, diff_id=layer.diff_id, content=fail)]
    )
    with pytest.raises(OSError, match="disk"):
        await layout.write_layout(tmp_path, broken)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


async def test_damaged_layout_is_refused(tmp_path):
    """A config that changed on disk is noticed."""
    made = make.make_image(make.make_layer("x"))
    await layout.write_layout(tmp_path, made)
    blob = tmp_path / "blobs/sha256" / made.config_digest.partition(":")[2]
    blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(errors.RegistryError, match="damaged"):
        layout.read_layout(tmp_path)


async def test_missing_image_is_named(tmp_path):
    """An absent tag and an absent file are errors of ours."""
    with pytest.raises(errors.InvalidImage, match="'v9'"):
        layout.read_layout(tmp_path, tag="v9")
    made = make.make_image(make.make_layer("x"))
    await layout.write_layout(tmp_path, made)
    (tmp_path / "blobs/sha256" / made.config_digest.partition(":")[2]).unlink()
    with pytest.raises(errors.InvalidImage, match="cannot be read"):
        layout.read_layout(tmp_path)
