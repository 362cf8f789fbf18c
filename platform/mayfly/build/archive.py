"""Fetch an archive by its URL: nothing of it is unpacked before its checksum is right."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import tempfile
from pathlib import Path
from typing import BinaryIO

from mayfly import errors
from mayfly.build import extract, git, limits, spool, workshop
from mayfly.model import build
from mayfly.outside import download


async def fetch(
    source: build.ArchiveSource, credentials: build.Credentials | None, *, shop: workshop.Workshop, work: Path
) -> spool.Spool:
    """Return the files of ``source``; the caller closes the spool.

    Raises:
        SourceError: it has another checksum, is unsafe or too large, or its host refuses.
        SourceUnavailable: the host does not answer.
    """
    with tempfile.TemporaryFile(dir=work) as packed:
        digest = await _download(source, credentials, packed, shop=shop)
        if not hmac.compare_digest(digest, source.sha256):
            raise errors.SourceError(
                f"the archive at {download.show(source.url)} has the SHA-256 {digest}, not {source.sha256}, as"
                " source.archive.sha256 says: correct it if the new content is wanted, else the URL"
            )
        folder = source.path or ""
        return await asyncio.to_thread(extract.extract, packed, bounds=shop.bounds, directory=work, folder=folder)


async def _download(
    source: build.ArchiveSource, credentials: build.Credentials | None, out: BinaryIO, *, shop: workshop.Workshop
) -> str:
    """Write the archive to ``out``, as much as is allowed; return its SHA-256 in hex."""
    digest, size = hashlib.sha256(), 0
    headers, login = git.make_login(credentials), git.name_login(source.secret)
    async with shop.downloads.open(source.url, headers=headers, login=login) as answer:
        limits.check_archive(shop.bounds, answer.content_length or 0)
        async for chunk in answer.content.iter_any():
            size += len(chunk)
            limits.check_archive(shop.bounds, size)
            digest.update(chunk)
            out.write(chunk)
    out.flush()
    return digest.hexdigest()
