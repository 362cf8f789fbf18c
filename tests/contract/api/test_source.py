"""Uploads end as artifacts in the registry, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import tarfile
import zipfile
from urllib import parse

import httpx2
import pytest

from mayfly.api import source
from tests.contract.api.conftest import LIMIT


@pytest.fixture
def http(world):
    with world.as_user("editor") as made:
        yield made


@pytest.fixture
def path(world):
    return f"/v1/namespaces/{world.namespace}/functions/shop/source"


def make_tar(size=10):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("main.py")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()


def make_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", "def f(request): return 'hi'")
    return buffer.getvalue()


@pytest.mark.parametrize(("make", "media"), [(make_tar, "application/gzip"), (make_zip, "application/zip")])
def test_an_upload_is_an_artifact_by_digest(world, http, path, make, media):
    """What the registry holds is byte for byte what was sent, under a reference that admission accepts."""
    data = make()
    answer = http.post(path, content=data, headers={"Content-Type": media})
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert (stored["digest"], stored["size"]) == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    name, _, digest = stored["ref"].partition("@")
    assert name == f"{world.registry}/mayfly/sources/{world.namespace}/shop"
    repository = name.removeprefix(f"{world.registry}/")
    base = f"http://{world.registry}/v2/{repository}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = httpx2.get(f"{base}/manifests/{digest}", headers=accept).json()
    assert manifest["artifactType"] == source.ARTIFACT_TYPE
    [layer] = manifest["layers"]
    assert layer["digest"] == stored["digest"]
    assert httpx2.get(f"{base}/blobs/{layer['digest']}").content == data


def test_the_same_archive_has_the_same_reference(http, path):
    data = make_tar()
    refs = {http.post(path, content=data, headers={"Content-Type": "application/gzip"}).json()["ref"] for _ in "ab"}
    assert len(refs) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_beyond_the_limit_is_refused(http, path, announced):
    data = make_tar(LIMIT + 1000)
    pieces = data if announced else (data[start : start + 8192] for start in range(0, len(data), 8192))
    answer = http.post(path, content=pieces, headers={"Content-Type": "application/gzip"})
    assert answer.status_code == 413
    assert answer.json()["reason"] == "TooLarge"
    assert str(LIMIT) in answer.json()["detail"]


REFUSED = {
    "empty": (b"", "application/gzip"),
    "text": (b"def f(): pass", "application/gzip"),
    "plain tar": (b"main.py".ljust(512, b"\0"), "application/octet-stream"),
    "wrong type": (b"\x1f\x8b00", "text/plain"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_archive_is_refused(http, path, case):
    body, media = REFUSED[case]
    assert http.post(path, content=body, headers={"Content-Type": media}).status_code == 415


def test_an_upload_that_breaks_off_stores_nothing(world, http, path):
    """The end of the connection is not the end of the archive."""
    data = make_tar(5000)
    address = parse.urlsplit(world.base)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.tokens['editor']}\r\n"
        f"Content-Type: application/gzip\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as peer:
        peer.sendall(head.encode() + data[:-10])
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    assert http.get("/healthz").status_code == 200
    repository = f"http://{world.registry}/v2/mayfly/sources/{world.namespace}/shop"
    cut = hashlib.sha256(data[:-10]).hexdigest()
    assert httpx2.head(f"{repository}/blobs/sha256:{cut}").status_code == 404
