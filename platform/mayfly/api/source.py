"""Take uploaded source archives and keep them in the registry.

An archive is counted, hashed and stored as it came. It is never opened here: that is the builder's work, which has no
credentials to lose.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from fastapi import APIRouter, Depends, Request, Response

from mayfly import settings
from mayfly.api import access, documents, edges, functions, intake, problem
from mayfly.image import artifact, layer
from mayfly.model import names

ARTIFACT_TYPE = "application/vnd.mayfly.source.v1+tar+gzip"
"""Both forms are kept under this type; the layer's own media type says which it is."""
LAYER_TYPES = {"gzip": ARTIFACT_TYPE, "zip": "application/vnd.mayfly.source.v1+zip"}
MAGIC = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip"}
"""First bytes: https://www.rfc-editor.org/rfc/rfc1952#page-6 and APPNOTE.TXT 4.3.7."""
MEDIA_TYPES = ("application/gzip", "application/zip", "application/octet-stream")

UPLOADS = 8
"""Uploads at once in one process: eight of the largest fit the pod's scratch space twice."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/functions/{name}/source", tags=["source"])

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


@dataclasses.dataclass
class Received:
    """An archive on disk."""

    path: pathlib.Path
    form: str
    digest: str
    size: int


class Places:
    """What may be under way at once; one more is sent away instead of filling the disk or the memory."""

    def __init__(self, number: int, *, what: str = "uploads") -> None:
        self._number = self._free = number
        self._what = what

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            problem.Refused: 503, all are taken.
        """
        if self._free == 0:
            raise problem.Busy(f"{self._number} {self._what} are under way already; try again in a few seconds")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


places = Places(UPLOADS)


@router.post(
    "",
    dependencies=[Depends(access.Permission("create", "source"))],
    status_code=201,
    summary="Upload the source of a Function",
    responses=documents.answers(
        {201: {"model": documents.Upload, "description": "Stored; put ref into spec.source.oci.ref."}},
        408,
        413,
        415,
        502,
    ),
    openapi_extra=documents.body_of(
        dict.fromkeys(MEDIA_TYPES, _BINARY), "The archive: a gzipped tar or a zip. The Function need not exist yet."
    ),
)
async def upload_source(
    request: Request, response: Response, namespace: functions.Namespace, name: functions.Name
) -> documents.Upload:
    """Store an archive under its digest; the same archive twice is stored once.

    Needs `create` on `functions/source` (group `mayfly.dev`) in the namespace.
    """
    limits: settings.ApiSettings = request.app.state.settings
    check_media_type(request.headers.get("Content-Type", ""))
    with places.take(), tempfile.NamedTemporaryFile(prefix="source-", suffix=".upload") as file:
        received = await receive(request, file, limit=limits.max_source_bytes)
        repository = names.source_repository(limits.registry, namespace, name)
        reference = await edges.of(request).store(repository, make_artifact(received))
    response.headers["Cache-Control"] = "no-store"
    return documents.Upload(ref=reference, digest=received.digest, size=received.size)


def check_media_type(header: str) -> None:
    """Raise ``problem.Refused`` unless a Content-Type header names an archive."""
    media = header.partition(";")[0].strip().lower()
    if media not in MEDIA_TYPES:
        raise problem.Refused(f"Content-Type {media!r}: send one of {', '.join(MEDIA_TYPES)}", status=415)


async def receive(request: Request, file: Any, *, limit: int) -> Received:
    """Write the body to ``file`` and return what it is.

    Raises:
        problem.Refused: 413 beyond ``limit``, 408 when it stops coming, 415 when it is neither gzip nor zip.
    """
    digest = hashlib.sha256()
    size = 0
    head = b""
    async for piece in intake.read_pieces(request, limit=limit, what="the source archive"):
        head = head if len(head) >= 4 else (head + piece)[:4]  # noqa: PLR2004  (the longest magic number)
        digest.update(piece)
        size += file.write(piece)
    file.flush()
    return Received(pathlib.Path(file.name), detect_form(head), f"sha256:{digest.hexdigest()}", size)


def detect_form(head: bytes) -> str:
    """Return ``gzip`` or ``zip`` by the first bytes of an archive; raises ``problem.Refused`` for anything else."""
    for magic, form in MAGIC.items():
        if head.startswith(magic):
            return form
    raise problem.Refused(
        f"the archive begins with {head.hex() or 'nothing'}; send a gzipped tar (1f8b) or a zip (504b0304)", status=415
    )


def make_artifact(received: Received) -> artifact.Artifact:
    """Return the artifact with the archive as its one layer."""
    content = functools.partial(_open, received.path)
    return artifact.make_artifact(
        ARTIFACT_TYPE,
        [
            layer.Layer(
                media_type=LAYER_TYPES[received.form], digest=received.digest, size=received.size, content=content
            )
        ],
    )


def _open(path: pathlib.Path) -> BinaryIO:
    return path.open("rb")
