"""Independent programs agree: skopeo (containers/image) and crane (go-containerregistry), where installed."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from mayfly.image import artifact as artifacts
from mayfly.image import entry, image, tar
from mayfly.registry import artifact, layout, pull, push
from tests.contract.registry import make

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mayfly"
"""Where the local cluster keeps the programs it built, crane among them."""


def run(program: str, *arguments: str) -> str:
    places = [CACHE / "bin", *sorted(CACHE.glob("programs/tools-*"))]
    found = shutil.which(program, path=":".join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.fail(f"{program} is not installed; `make up` installs it")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def made():
    files = [
        entry.make_file("app/main.py", b"print()"),
        entry.make_file("app/run", b"#!/bin/sh", executable=True),
        entry.make_file("app/" + "/".join(["long" * 20] * 4) + "/käse.py", b"long"),
        entry.make_symlink("app/link", "main.py"),
        entry.make_directory("app/empty"),
    ]
    base = image.append(image.empty(), [tar.make_layer(files, created_by="mayfly code"), make.make_layer("second")])
    return image.configure(base, user="65532:65532", entrypoint=["python3"], env={"A": "b"}, working_dir="/app")


async def test_crane_finds_no_fault(client, make_ref, made):
    """``crane validate`` downloads everything and recomputes digests, diff ids and sizes."""
    ref = await push.push_image(client, made, make_ref())
    assert "PASS" in run("crane", "validate", "--insecure", "--remote", str(ref))
    assert run("crane", "digest", "--insecure", str(make_ref())).strip() == made.digest


async def test_crane_reads_files(client, make_ref, made):
    """The flattened image has the files as given."""
    await push.push_image(client, made, make_ref())
    assert "long" in run("crane", "export", "--insecure", str(make_ref()), "-")
    config = json.loads(run("crane", "config", "--insecure", str(make_ref())))
    assert config["config"]["User"] == "65532:65532"
    assert [item["created_by"] for item in config["history"]] == ["mayfly code", "mayfly"]


async def test_skopeo_copies_without_a_change(client, make_ref, made, tmp_path):
    """skopeo copies our image and our layout; the digest survives both, and we read what it wrote."""
    await push.push_image(client, made, make_ref())
    where = f"docker://{make_ref()}"
    run("skopeo", "copy", "--src-tls-verify=false", where, f"oci:{tmp_path / 'theirs'}:latest")
    assert layout.read_layout(tmp_path / "theirs").digest == made.digest
    await layout.write_layout(tmp_path / "ours", made)
    again = make_ref("/again")
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'ours'}:latest", f"docker://{again}")
    assert (await client.head_manifest(again)).digest == made.digest


async def test_skopeo_docker_dialect(client, make_ref, made):
    """An image that skopeo turned into Docker's dialect is a base that others can read after us."""
    await push.push_image(client, made, make_ref())
    base = make_ref("/docker")
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    run("skopeo", "copy", "--format=v2s2", *tls, f"docker://{make_ref()}", f"docker://{base}")
    pulled = await pull.pull_image(client, base)
    ref = await push.push_image(client, image.append(pulled, [make.make_layer("top")]), make_ref("/top"))
    assert "PASS" in run("crane", "validate", "--insecure", "--remote", str(ref))
    assert len(json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{ref}"))["Layers"]) == 3


async def test_crane_reads_an_artifact(client, make_ref):
    """An artifact's manifest and blob are readable by others."""
    made_artifact = artifacts.make_artifact("application/vnd.mayfly.test", [artifacts.make_blob(b"data", "text/plain")])
    ref = await artifact.push_artifact(client, made_artifact, make_ref())
    assert json.loads(run("crane", "manifest", "--insecure", str(ref)))["artifactType"] == "application/vnd.mayfly.test"
    blob = f"{ref.name}@{made_artifact.layers[0].digest}"
    assert run("crane", "blob", "--insecure", blob) == "data"
