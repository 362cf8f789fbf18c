"""The Dockerfile gives the files that `make image` gives, built by buildah without privilege."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import pytest

from mayfly.build import platform_image
from mayfly.image import entry, reference, tar
from mayfly.image import image as images
from mayfly.registry import client, pull, push, transport

ROOT = pathlib.Path(__file__).resolve().parents[3]
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


async def push_base_with(registry: str, packages: pathlib.Path) -> tuple[str, str]:
    """Push the base image with ``packages`` on top; return both references by digest."""
    ref = reference.ImageRef.parse(f"{registry}/mayfly/base-python:3.11")
    async with transport.open_session() as session:
        speaker = client.RegistryClient(host=ref.host, session=session, insecure=True)
        base = await pull.pull_image(speaker, ref)
        files = entry.make_tree(packages, "usr/lib/python3/dist-packages")
        target = reference.ImageRef.parse(f"{registry}/mayfly/base-python-pip:3.11")
        pushed = await push.push_image(speaker, images.append(base, [tar.make_layer(files)]), target)
    return str(ref.with_digest(base.digest)), str(pushed)


def read_tree(archive: pathlib.Path) -> dict[str, str]:
    """Return path -> content hash of the files of one layer."""
    with tarfile.open(archive) as layer:
        return {
            member.name: hashlib.sha256(layer.extractfile(member).read()).hexdigest()
            for member in layer
            if member.isfile() or member.islnk()
        }


def read_directory(root: pathlib.Path) -> dict[str, str]:
    """Return path -> content hash of the files below ``root``."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.timeout(600)
def test_the_dockerfile_gives_the_files_of_make_image(cluster_env, tmp_path):
    assert shutil.which("buildah"), "buildah is missing; `make up` installs it"
    uv = pathlib.Path(sys.executable).parent / "uv"
    packages = tmp_path / "packages"
    subprocess.run([uv, "pip", "install", "--quiet", "--target", packages, "pip"], check=True)
    base, build = asyncio.run(push_base_with(cluster_env["REGISTRY"], packages))
    storage = [
        "buildah",
        "--storage-driver",
        "vfs",
        "--root",
        str(tmp_path / "root"),
        "--runroot",
        str(tmp_path / "run"),
    ]
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    volume = ["--volume", f"{CA_BUNDLE}:{CA_BUNDLE}:ro"]
    subprocess.run(
        [
            *storage, "bud", "--tls-verify=false", *volume, "--build-arg", f"BASE={base}", "--build-arg",
            f"BUILD={build}", "--build-arg", f"SSL_CERT_FILE={CA_BUNDLE}", "--tag", "mayfly-test", ".",
        ],
        cwd=ROOT, env=environment, check=True,
    )  # fmt: skip
    out = tmp_path / "image"
    subprocess.run([*storage, "push", "mayfly-test", f"dir:{out}"], env=environment, check=True)
    layers = sorted((path for path in out.iterdir() if len(path.name) == 64), key=lambda path: path.stat().st_mtime)
    built = {}
    for layer in layers:
        if tarfile.is_tarfile(layer):
            built |= {path: digest for path, digest in read_tree(layer).items() if path.startswith(("app/", "opt/"))}
    asyncio.run(platform_image.prepare_root(tmp_path / "expected", cache=tmp_path / "cache"))
    expected = read_directory(tmp_path / "expected")
    assert built.keys() == expected.keys()
    # Bytecode is the compiler's: two patch releases of Python may write it differently.
    assert {path for path in built if built[path] != expected[path] and not path.endswith(".pyc")} == set()
