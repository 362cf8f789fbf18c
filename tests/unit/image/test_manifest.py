"""Manifests from anywhere are read with care."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mayfly import errors
from mayfly.image import digest, manifest, media

DESCRIPTOR = {"mediaType": media.OCI_CONFIG, "digest": digest.compute_digest(b"x"), "size": 1}


def encode(**parts) -> bytes:
    return json.dumps({"schemaVersion": 2, **parts}).encode()


def make_index(*platforms):
    entries = [DESCRIPTOR | {"size": size, "platform": platform} for size, platform in enumerate(platforms)]
    return manifest.parse_manifest(encode(manifests=entries), media.OCI_INDEX)


@pytest.mark.parametrize("media_type", [media.OCI_MANIFEST, media.DOCKER_MANIFEST])
def test_manifest_is_read(media_type):
    """Both dialects are read; the type may be missing in the text; unknown fields are passed over."""
    found = manifest.parse_manifest(encode(config=DESCRIPTOR, layers=[DESCRIPTOR], future=1), media_type)
    assert isinstance(found, manifest.Manifest)
    assert (found.media_type, found.layers[0].size) == (media_type, 1)


@pytest.mark.parametrize(
    ("data", "media_type", "message"),
    [
        pytest.param(b"", media.OCI_MANIFEST, "not JSON", id="empty"),
        pytest.param(b"<html>", media.OCI_MANIFEST, "not JSON", id="HTML"),
        pytest.param(b"\xff", media.OCI_MANIFEST, "not JSON", id="not text"),
        pytest.param(b"[]", media.OCI_MANIFEST, "not a JSON object", id="list"),
        pytest.param(b"[" * 100_000, media.OCI_MANIFEST, "not JSON", id="deep"),
        pytest.param(b" " * (manifest.MAX_BYTES + 1), media.OCI_MANIFEST, "at most", id="large"),
        pytest.param(encode(), "text/html", "cannot be used", id="foreign type"),
        pytest.param(encode(), "application/vnd.docker.distribution.manifest.v1+json", "current tool", id="schema 1"),
        pytest.param(encode(mediaType=media.OCI_INDEX), media.OCI_MANIFEST, "itself saying", id="types disagree"),
        pytest.param(encode(layers=[]), media.OCI_MANIFEST, "config: Field required", id="no config"),
        pytest.param(encode(config=DESCRIPTOR), media.OCI_MANIFEST, "layers", id="no layers"),
        pytest.param(encode(config=DESCRIPTOR | {"size": -1}, layers=[]), media.OCI_MANIFEST, "size", id="size"),
        pytest.param(
            encode(config=DESCRIPTOR | {"digest": "../x"}, layers=[]), media.OCI_MANIFEST, "not a digest", id="digest"
        ),
        pytest.param(encode(manifests=3), media.OCI_INDEX, "manifests", id="index"),
    ],
)
def test_wrong_manifests_are_refused(data, media_type, message):
    """Each is a permanent error of ours that says what is wrong."""
    with pytest.raises(errors.InvalidImage, match=message) as caught:
        manifest.parse_manifest(data, media_type)
    assert not caught.value.temporary
    assert caught.value.reason == "InvalidImage"


@settings(max_examples=30, deadline=None)
@given(some.recursive(some.none() | some.integers() | some.text(), lambda inner: some.dictionaries(some.text(), inner)))
def test_any_json_is_read_or_refused(value):
    """No JSON makes the reader fail otherwise."""
    with pytest.raises(errors.InvalidImage):
        manifest.parse_manifest(json.dumps(value).encode(), media.OCI_INDEX)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        pytest.param({}, 1, id="default"),
        pytest.param({"architecture": "arm64"}, 2, id="any variant"),
        pytest.param({"architecture": "arm", "variant": "v6"}, 4, id="one variant"),
    ],
)
def test_index_chooses(wanted, size):
    """Operating system and architecture must fit, the variant if asked for; attestations never do."""
    index = make_index(
        {"os": "unknown", "architecture": "unknown"},
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "linux", "architecture": "arm", "variant": "v6"},
    )
    assert index.choose(manifest.Platform(**{"os": "linux", "architecture": "amd64", **wanted})).size == size


def test_index_without_platforms_is_explained():
    """What an index offers is listed, even nothing."""
    with pytest.raises(errors.InvalidImage, match="offers nothing"):
        make_index().choose()
    with pytest.raises(errors.InvalidImage, match="offers unnamed"):
        make_index(None).choose()
