"""Write a one-layer image as an OCI layout: same tar, same digest (OCI image-spec v1.1)."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"
_CHUNK = 1 << 20


def write_image(target: Path, *, layer: Path, config: Mapping[str, Any]) -> None:
    """Write the image made of the uncompressed tar `layer` to the directory `target`, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".image-", dir=target.parent))
    try:
        blobs = work / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        diff_id, layer_descriptor = _write_layer(blobs, layer)
        document = {
            "created": "1970-01-01T00:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "mayfly local cluster"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _write_json(blobs, document, media_type=f"{_MEDIA}.config.v1+json"),
            "layers": [layer_descriptor],
        }
        descriptor = _write_json(blobs, manifest, media_type=f"{_MEDIA}.manifest.v1+json")
        index = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.index.v1+json",
            "manifests": [{**descriptor, "platform": {"os": "linux", "architecture": "amd64"}}],
        }
        (work / "index.json").write_text(json.dumps(index))
        (work / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def read_digest(layout: Path) -> str:
    """Return the digest of the layout's only manifest."""
    index = json.loads((layout / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def _write_layer(blobs: Path, layer: Path) -> tuple[str, dict[str, Any]]:
    """Compress the tar into the blobs; return its diff id and the descriptor of the compressed form."""
    plain, fresh = hashlib.sha256(), blobs / "layer"
    with (
        layer.open("rb") as source,
        fresh.open("wb") as sink,
        gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0, compresslevel=6) as packed,
    ):
        while chunk := source.read(_CHUNK):
            plain.update(chunk)
            packed.write(chunk)
    digest = _digest_file(fresh)
    descriptor = {
        "mediaType": f"{_MEDIA}.layer.v1.tar+gzip",
        "digest": f"sha256:{digest}",
        "size": fresh.stat().st_size,
    }
    fresh.rename(blobs / digest)
    return f"sha256:{plain.hexdigest()}", descriptor


def _write_json(blobs: Path, document: Mapping[str, Any], *, media_type: str) -> dict[str, Any]:
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _digest_file(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
