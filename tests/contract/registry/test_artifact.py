"""Files that are not images."""

from __future__ import annotations

import json
import tempfile

import pytest

from mayfly import errors
from mayfly.image import artifact as artifacts
from mayfly.registry import artifact, pull, push
from tests.contract.registry import make

SOURCE = "application/vnd.mayfly.source.v1+tar+gzip"


async def test_artifact_comes_back(client, make_client, make_ref):
    """What was pushed by digest is pulled by digest, type and annotations included."""
    made = artifacts.make_artifact(SOURCE, [artifacts.make_blob(b"archive", SOURCE)], annotations={"b": "2", "a": "1"})
    ref = await artifact.push_artifact(client, made, make_ref().with_digest(made.digest))
    fresh = make_client(client.host)
    pulled = await artifact.pull_artifact(fresh, ref, artifact_type=SOURCE)
    assert pulled == made or pulled.manifest_bytes == made.manifest_bytes
    assert (pulled.digest, pulled.layers[0].size) == (made.digest, 7)
    assert dict(pulled.annotations) == {"a": "1", "b": "2"}
    with tempfile.TemporaryFile() as out:
        assert (await pull.fetch_layer(fresh, pulled.layers[0], out)).content().read() == b"archive"


async def test_manifest_is_as_the_specification_has_it(client, make_ref):
    """The config is the empty descriptor, and the registry keeps it as a blob."""
    made = artifacts.make_artifact(SOURCE, [artifacts.make_blob(b"x", SOURCE)])
    ref = await artifact.push_artifact(client, made, make_ref())
    found = json.loads((await client.get_manifest(ref)).data)
    assert found["artifactType"] == SOURCE
    assert found["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    }
    assert await client.read_blob(repository=ref.repository, digest=found["config"]["digest"], size=2) == b"{}"


async def test_image_is_not_taken_for_an_artifact(client, make_ref):
    """Something of another type is refused with both types."""
    await push.push_image(client, make.make_image(make.make_layer("x")), make_ref())
    with pytest.raises(errors.InvalidImage, match=r"config\.v1\+json, not application/vnd\.mayfly") as caught:
        await artifact.pull_artifact(client, make_ref(), artifact_type=SOURCE)
    assert not caught.value.temporary
