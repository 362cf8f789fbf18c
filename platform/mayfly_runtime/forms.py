"""Multipart form bodies (RFC 7578), enough for fields and files."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')


class Upload(NamedTuple):
    """One uploaded file; ``read`` and ``stream`` as Flask's ``FileStorage`` has them."""

    name: str
    filename: str
    content_type: str
    stream: io.BytesIO

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes of the content, by default all that are left."""
        return self.stream.read(size)

    def save(self, target: str) -> None:
        """Write the content to the file ``target``."""
        with open(target, "wb") as file:  # noqa: PTH123  (pathlib is not loaded for this)
            file.write(self.stream.getvalue())


def parse_multipart(content_type: str, body: bytes) -> tuple[list[tuple[str, str]], list[Upload]]:
    """Return the fields and the files of ``body``; both empty when ``content_type`` is not multipart form data."""
    kind, parameters = _parse_header(content_type)
    boundary = parameters.get("boundary", "").encode("latin-1", "replace")
    fields: list[tuple[str, str]] = []
    uploads: list[Upload] = []
    if kind != "multipart/form-data" or not boundary:
        return fields, uploads
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            break
        _read_part(part, fields, uploads)
    return fields, uploads


def _read_part(part: bytes, fields: list[tuple[str, str]], uploads: list[Upload]) -> None:
    head, _, content = part.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
    headers = {name.strip().lower(): value.strip() for name, colon, value in lines if colon}
    _, disposition = _parse_header(headers.get("content-disposition", ""))
    name = disposition.get("name")
    if name is None:
        return
    if "filename" in disposition:
        kind = headers.get("content-type", "application/octet-stream")
        uploads.append(Upload(name, disposition["filename"], kind, io.BytesIO(content)))
    else:
        fields.append((name, content.decode("utf-8", "replace")))


def _parse_header(value: str) -> tuple[str, dict[str, str]]:
    """Return a header's first word in lower case and its parameters."""
    kind = value.partition(";")[0].strip().lower()
    found = _PARAMETER.findall(value)
    return kind, {name.lower(): quoted.replace('\\"', '"') or bare for name, quoted, bare in found}
