"""Images are values: changing one makes another."""

from __future__ import annotations

import dataclasses
import json

import pytest

from mayfly import errors
from mayfly.image import artifact, entry, image, media, tar, validate

LAYER = tar.make_layer([entry.make_file("app/a", b"a")], created_by="mayfly code")
OTHER = tar.make_layer([entry.make_file("app/b", b"b")])


def make_base(**run):
    return image.Image(
        config_bytes=json.dumps({"architecture": "amd64", "os": "linux", "config": run, "x": 1}).encode()
    )


def test_nothing_is_edited_in_place():
    """``append`` and ``configure`` leave their argument as it was; so does a change of the config copy."""
    base = image.append(image.empty(), [LAYER])
    before = base.digest, base.manifest_bytes, base.config_bytes
    image.append(base, [OTHER])
    image.configure(base, user="1:1", env={"A": "1"}, labels={"a": "b"})
    base.config["rootfs"]["diff_ids"].append("x")
    assert (base.digest, base.manifest_bytes, base.config_bytes) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        base.layers = ()


def test_same_steps_same_digest():
    """Equal inputs give equal digests, in whatever order env and labels are given."""

    def make(*order):
        made = image.append(image.empty(), [LAYER, OTHER])
        return image.configure(made, env=dict.fromkeys(order, "1"), labels=dict.fromkeys(order, "2"))

    assert make("a", "b").digest == make("b", "a").digest


def test_manifest_has_the_form_of_the_specification():
    """Config and layers are listed by descriptor, oldest layer first."""
    made = image.append(image.append(image.empty(), [LAYER]), [OTHER])
    found = json.loads(made.manifest_bytes)
    assert found["schemaVersion"] == 2
    assert found["config"] == {
        "mediaType": media.OCI_CONFIG,
        "digest": made.config_digest,
        "size": len(made.config_bytes),
    }
    assert [item["digest"] for item in found["layers"]] == [LAYER.digest, OTHER.digest]
    assert made.diff_ids == (LAYER.diff_id, OTHER.diff_id)
    assert [item["created_by"] for item in made.config["history"]] == ["mayfly code", "mayfly"]
    assert validate.find_problems(made) == []


def test_configure_merges_and_replaces():
    """Env and labels are added and win, a new entrypoint drops the old command, the rest stays."""
    base = make_base(
        Env=["PATH=/bin", "A=old=1"], Cmd=["sh"], Entrypoint=["/old"], Labels={"z": "1"}, StopSignal="SIGINT"
    )
    made = image.configure(
        base,
        entrypoint=["python3"],
        env={"A": "new", "B": "="},
        labels={"a": "2"},
        user="65532:65532",
        working_dir="/app",
    )
    assert made.config["config"] == {
        "Env": ["PATH=/bin", "A=new", "B=="],
        "Entrypoint": ["python3"],
        "Labels": {"a": "2", "z": "1"},
        "StopSignal": "SIGINT",
        "User": "65532:65532",
        "WorkingDir": "/app",
    }
    assert made.labels == {"a": "2", "z": "1"}
    assert (made.config["x"], made.config["created"]) == (1, image.EPOCH)


def test_configure_nothing_changes_nothing_but_the_time():
    """``None`` leaves a part as it is."""
    assert image.configure(make_base(Cmd=["sh"])).config["config"] == {"Cmd": ["sh"]}


@pytest.mark.parametrize("config", [b'{"config": null, "history": null, "rootfs": null}', b"{}"])
def test_sparse_configs_are_filled(config):
    """A base that leaves out all it may leave out can be built on."""
    made = image.configure(image.append(image.Image(config_bytes=config), [LAYER]), env={"A": "1"})
    assert validate.find_problems(made) == []
    assert made.config["config"]["Env"] == ["A=1"]


def test_history_of_a_base_without_history_is_padded():
    """Readers that match history with layers find one entry for each."""
    base = dataclasses.replace(image.append(image.empty(), [LAYER]), received=None)
    config = {key: value for key, value in base.config.items() if key != "history"}
    bare = dataclasses.replace(base, config_bytes=json.dumps(config).encode())
    made = image.append(bare, [OTHER])
    assert [item["created_by"] for item in made.config["history"]] == ["base", "mayfly"]
    assert validate.find_problems(made) == []


def test_received_manifest_is_kept_until_a_change():
    """An image that is only copied keeps its bytes; a changed one is written anew."""
    text = b'{ "schemaVersion": 2, "any": "form" }'
    received = image.Image(config_bytes=b"{}", received=text)
    assert received.manifest_bytes == text
    assert image.append(received, [LAYER]).received is None


def test_layers_follow_the_dialect_of_the_base():
    """A Docker base gets Docker layers, whatever they were made as."""
    base = image.Image(config_bytes=b"{}", media_type=media.DOCKER_MANIFEST, config_type=media.DOCKER_CONFIG)
    made = image.append(base, [LAYER])
    assert made.layers[0].media_type == media.DOCKER_LAYER
    assert json.loads(made.manifest_bytes)["mediaType"] == media.DOCKER_MANIFEST
    assert image.append(image.empty(), made.layers).layers[0].media_type == media.OCI_LAYER


GOOD = image.append(image.empty(), [LAYER, OTHER])


def change_config(**parts):
    return dataclasses.replace(GOOD, config_bytes=json.dumps(GOOD.config | parts).encode(), received=None)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        pytest.param(change_config(rootfs={"diff_ids": []}), "diff ids", id="diff ids"),
        pytest.param(change_config(history=[{}]), "history describes 1 layers of 2", id="history"),
        pytest.param(
            dataclasses.replace(change_config(a=1), received=GOOD.manifest_bytes), "names config", id="config"
        ),
        pytest.param(
            dataclasses.replace(GOOD, layers=GOOD.layers[:1], received=GOOD.manifest_bytes), "other layers", id="layers"
        ),
        pytest.param(
            dataclasses.replace(GOOD, layers=(dataclasses.replace(LAYER, content=OTHER.content), OTHER)),
            "has the content",
            id="content",
        ),
        pytest.param(
            image.append(image.empty(), [dataclasses.replace(LAYER, diff_id=OTHER.diff_id)]), "unpacks to", id="diff id"
        ),
        pytest.param(
            image.append(image.empty(), [dataclasses.replace(artifact.make_blob(b"text", ""), diff_id=LAYER.diff_id)]),
            "unpacks to nothing",
            id="not gzip",
        ),
        pytest.param(dataclasses.replace(GOOD, media_type=media.DOCKER_MANIFEST), "OCI media type", id="dialects"),
    ],
)
def test_unsound_images_are_found_out(made, problem):
    """Each broken invariant is named."""
    assert any(problem in sentence for sentence in validate.find_problems(made)), validate.find_problems(made)
    with pytest.raises(errors.InvalidImage, match="is not sound"):
        validate.validate(made)


def test_artifact_digest_ignores_the_order_of_annotations():
    """An artifact is a value too."""
    blob = artifact.make_blob(b"x", "text/plain")
    one = artifact.make_artifact("a/b", [blob], annotations={"x": "1", "y": "2"})
    two = artifact.make_artifact("a/b", [blob], annotations={"y": "2", "x": "1"})
    assert one.digest == two.digest
    assert "annotations" not in json.loads(artifact.make_artifact("a/b", [blob]).manifest_bytes)
