"""Images made without an engine: same input, same digest, and as the specification wants them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from cluster import knative, ko, kourier, oci, small_images

FILES = {"etc/passwd": (b"root", 0o644), "pause": (b"\x7fELF", 0o755)}


def test_a_tar_is_the_same_whatever_the_order():
    """Order, owner and date of the input leave no trace."""
    assert small_images.make_tar(FILES) == small_images.make_tar(dict(reversed(FILES.items())))


def test_a_tar_holds_files_directories_and_tmp():
    """Parents are there, and /tmp is open to all."""
    with tarfile.open(fileobj=io.BytesIO(small_images.make_tar(FILES))) as archive:
        found = {entry.name: (entry.mode, entry.mtime, entry.uid) for entry in archive}
    assert found == {
        "etc": (0o755, 0, 0),
        "tmp": (0o1777, 0, 0),
        "etc/passwd": (0o644, 0, 0),
        "pause": (0o755, 0, 0),
    }


def test_a_layout_is_consistent_and_reproducible(tmp_path):
    """Each descriptor tells its blob's true digest and size; the diff id is the uncompressed layer's."""
    layer = tmp_path / "layer.tar"
    layer.write_bytes(small_images.make_tar(FILES))
    for name in ("one", "two"):
        oci.write_image(tmp_path / name, layer=layer, config={"User": "65532"})
    assert oci.read_digest(tmp_path / "one") == oci.read_digest(tmp_path / "two")

    def blob(descriptor):
        data = (tmp_path / "one" / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
        assert len(data) == descriptor["size"]
        return data

    manifest = json.loads(blob(json.loads((tmp_path / "one" / "index.json").read_text())["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    unpacked = gzip.decompress(blob(manifest["layers"][0]))
    assert unpacked == layer.read_bytes()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]
    assert (config["os"], config["architecture"], config["config"]) == ("linux", "amd64", {"User": "65532"})


def test_a_failed_write_leaves_nothing(tmp_path):
    """A layout is there whole or not at all."""
    with pytest.raises(FileNotFoundError):
        oci.write_image(tmp_path / "images" / "x", layer=tmp_path / "missing", config={})
    assert list((tmp_path / "images").iterdir()) == []


def test_images_are_found_by_registry():
    """Only references with a digest in our registry count."""
    digest = "sha256:" + "a" * 64
    text = (
        f"image: r:5000/knative/my_queue@{digest}\nimage: other/knative/queue@{digest}\nimage: r:5000/knative/webhook:1"
    )
    found = {"my_queue": f"r:5000/knative/my_queue@{digest}"}
    assert ko.find_images(text, registry="r:5000", repository="knative") == found


def test_requests_shrink_and_limits_stay():
    """A small machine keeps room for functions; what a pod may use at most is left."""
    text = "requests:\n  {}cpu: {}m\n  memory: 60Mi\nlimits:\n  cpu: 3000m\n"
    for comment in ("", "# taken from serving.\n  "):
        assert knative.shrink_requests(text.format(comment, 300)) == text.format(comment, 20)


def test_kourier_runs_our_envoy_and_asks_for_no_load_balancer():
    """Neither an outside registry nor a cloud is needed."""
    text = "image: docker.io/envoyproxy/envoy:v1.36-latest\n  type: LoadBalancer\n"
    assert kourier.use_envoy(text, image="r:5000/envoy:1") == "image: r:5000/envoy:1\n  type: NodePort\n"
