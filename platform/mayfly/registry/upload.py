"""How a blob goes up (distribution-spec, "Pushing Blobs").

A small blob takes two requests: open an upload, send everything. A large one goes in chunks, so that a lost
connection costs one chunk and no proxy has to take hundreds of megabytes in one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import yarl

from mayfly import errors
from mayfly.registry import retry, transport

CHUNK_BYTES = 32 * 1024 * 1024
"""Size of one chunk, unless the registry asks for larger ones. A blob up to twice this size goes in one piece."""
_READ_BYTES = 1024 * 1024
_CREATED = frozenset({201})
_ACCEPTED = frozenset({202})
_UNKNOWN_UPLOAD = 404
_CHUNKS_REFUSED = frozenset({405, 413, 416, 501})
"""Answers that mean: not in this way. The blob is then sent in one piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What goes up: ``content`` opens ``size`` bytes of ``digest`` anew at each call and can seek."""

    repository: str
    digest: str
    size: int
    content: Callable[[], BinaryIO]


async def upload_blob(
    wire: transport.Transport, blob: Blob, *, pace: retry.Pace, chunk_bytes: int = CHUNK_BYTES
) -> None:
    """Upload ``blob``; the registry computes its digest and refuses damaged content.

    Raises:
        errors.RegistryError: it did not succeed within ``pace``.
    """
    if blob.size > 2 * chunk_bytes:
        try:
            await retry.retry(pace, partial(_upload_chunks, wire, blob, pace, chunk_bytes))
        except errors.RegistryError as problem:
            if problem.status not in _CHUNKS_REFUSED:
                raise
        else:
            return
    await retry.retry(pace, partial(_upload_whole, wire, blob))


def make_scopes(repository: str, *, source: str | None = None) -> tuple[str, ...]:
    """Return the rights that pushing to ``repository`` needs, and mounting from ``source`` if given."""
    scopes = (f"repository:{repository}:pull,push",)
    return scopes if source is None else (*scopes, f"repository:{source}:pull")


async def _upload_whole(wire: transport.Transport, blob: Blob) -> None:
    location, _ = await _begin(wire, blob.repository)
    body: transport.Body
    if blob.size <= _READ_BYTES:
        with blob.content() as source:
            body = partial(_give, source.read())
    else:
        body = partial(_stream, blob.content, 0, blob.size)
    await _finish(wire, blob, location, body=body, length=blob.size)


async def _upload_chunks(wire: transport.Transport, blob: Blob, pace: retry.Pace, chunk_bytes: int) -> None:
    location, smallest = await _begin(wire, blob.repository)
    step, offset, failures = max(chunk_bytes, smallest), 0, 0
    while offset < blob.size:
        try:
            location, offset = await _send_chunk(wire, blob, location, offset, min(offset + step, blob.size))
            failures = 0
        except errors.RegistryError as problem:
            if failures and problem.status == _UNKNOWN_UPLOAD:
                # The failure before cost the whole upload, and the registry noticed only now: begin anew.
                problem.temporary = True
                raise
            failures += 1
            await retry.pause_or_raise(pace, failures, problem)
            location, offset = await _ask_progress(wire, blob, location)
    await _finish(wire, blob, location, body=partial(_give, b""), length=0)


async def _begin(wire: transport.Transport, repository: str) -> tuple[str, int]:
    """Open an upload; return its address and the smallest chunk the registry takes (bytes)."""
    async with wire.open(
        "POST",
        f"/v2/{repository}/blobs/uploads/",
        scopes=make_scopes(repository),
        accept=_ACCEPTED,
        headers={"Content-Length": "0"},
    ) as response:
        smallest = response.headers.get("OCI-Chunk-Min-Length", "0")
        return _find_location(wire, response.headers.get("Location", ""), str(response.url)), int(
            smallest if smallest.isdecimal() else 0
        )


async def _send_chunk(wire: transport.Transport, blob: Blob, location: str, start: int, end: int) -> tuple[str, int]:
    """Send the bytes from ``start`` up to ``end``; return where and from which byte to go on."""
    async with wire.open(
        "PATCH",
        location,
        scopes=make_scopes(blob.repository),
        accept=_ACCEPTED,
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{start}-{end - 1}",
            "Content-Length": str(end - start),
        },
        body=partial(_stream, blob.content, start, end),
    ) as response:
        return _find_location(wire, response.headers.get("Location", location), str(response.url)), end


async def _ask_progress(wire: transport.Transport, blob: Blob, location: str) -> tuple[str, int]:
    """Return where and from which byte to go on after a failure.

    Raises:
        errors.RegistryError: temporary, if the upload is lost or in an unknown state: begin anew.
    """
    try:
        async with wire.open("GET", location, scopes=make_scopes(blob.repository), accept=frozenset({204})) as response:
            first, dash, last = response.headers.get("Range", "").removeprefix("bytes=").partition("-")
            address = _find_location(wire, response.headers.get("Location", location), str(response.url))
    except errors.RegistryError as problem:
        problem.temporary = True
        raise
    if first != "0" or not dash or not last.isdecimal() or int(last) >= blob.size:
        raise errors.RegistryError(f"registry {wire.host} does not say how much of {blob.digest} it has; begin anew")
    return address, int(last) + 1 if int(last) else 0


async def _finish(wire: transport.Transport, blob: Blob, location: str, *, body: transport.Body, length: int) -> None:
    """Send the last (or only) part and let the registry check the digest."""
    target = f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"
    try:
        async with wire.open(
            "PUT",
            target,
            scopes=make_scopes(blob.repository),
            accept=_CREATED,
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(length)},
            body=body,
        ):
            pass
    except errors.RegistryError as problem:
        if problem.status == _UNKNOWN_UPLOAD:
            problem.temporary = True
        raise


def _find_location(wire: transport.Transport, location: str, asked: str) -> str:
    if not location:
        raise errors.RegistryError(
            f"registry {wire.host} opened an upload without a Location; check that it is a registry", status=502
        )
    return str(yarl.URL(asked, encoded=True).join(yarl.URL(location, encoded=True)))


def _give(data: bytes) -> bytes:
    return data


async def _stream(content: Callable[[], BinaryIO], start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes from ``start`` up to ``end``, read in a thread: the disk may be slow."""
    with content() as source:
        source.seek(start)
        while start < end and (chunk := await asyncio.to_thread(source.read, min(_READ_BYTES, end - start))):
            start += len(chunk)
            yield chunk
