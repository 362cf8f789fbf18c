"""The verbs of the registry protocol, for one host."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import aiohttp

from mayfly import errors
from mayfly.image import digest as digests
from mayfly.image import manifest, media, reference
from mayfly.registry import answer, memo, retry, transport, upload
from mayfly.registry import credentials as passwords

_READ_BYTES = 1024 * 1024
_FOUND = frozenset({200})
_MISSING = 404
_PARTIAL = 206
_NO_CREDENTIALS = passwords.Credentials()
_DEFAULT_PACE = retry.Pace()


class ReceivedManifest(NamedTuple):
    """A manifest as it came: its bytes, the media type it was served with, and its digest (checked)."""

    data: bytes
    media_type: str
    digest: str


@contextlib.asynccontextmanager
async def open_client(
    *, host: str, insecure: bool = False, config: Path | None = None, pace: retry.Pace = _DEFAULT_PACE
) -> AsyncIterator[RegistryClient]:
    """Yield a client with its own session, and the logins of the Docker config at ``config`` if given."""
    async with transport.open_session() as session:
        yield RegistryClient(
            host=host,
            insecure=insecure,
            credentials=passwords.load_credentials(config),
            session=session,
            pace=pace,
        )


class RegistryClient:
    """Speak to the registry at ``host``; keep one for the process's life, for its connections and its memo.

    ``session`` comes from ``transport.open_session`` and may be shared by clients of several hosts. ``insecure``
    means plain HTTP.
    """

    def __init__(
        self,
        *,
        host: str,
        session: aiohttp.ClientSession,
        insecure: bool = False,
        credentials: passwords.Credentials = _NO_CREDENTIALS,
        pace: retry.Pace = _DEFAULT_PACE,
        chunk_bytes: int = upload.CHUNK_BYTES,
    ) -> None:
        self.host = host
        self.memo = memo.Memo()
        self._pace = pace
        self._chunk_bytes = chunk_bytes
        self._wire = transport.Transport(host=host, insecure=insecure, known=credentials, session=session)

    async def head_manifest(self, ref: reference.ImageRef) -> manifest.Descriptor | None:
        """Return what ``ref`` points to, without reading it; ``None`` if there is nothing."""

        async def ask() -> Mapping[str, str] | None:
            async with self._wire.open(
                "HEAD",
                self._make_path(ref),
                scopes=_reading(ref.repository),
                accept=_FOUND | {_MISSING},
                headers={"Accept": media.ACCEPT},
            ) as response:
                return None if response.status == _MISSING else response.headers

        headers = await retry.retry(self._pace, ask)
        if headers is None:
            return None
        media_type, digest = headers.get("Content-Type", ""), ref.digest or headers.get("Docker-Content-Digest", "")
        if digests.is_digest(digest) and "Content-Length" in headers:
            return manifest.Descriptor(media_type=media_type, digest=digest, size=int(headers["Content-Length"]))
        data, media_type, digest = await self.get_manifest(ref)
        return manifest.Descriptor(media_type=media_type, digest=digest, size=len(data))

    async def get_manifest(self, ref: reference.ImageRef) -> ReceivedManifest:
        """Return the manifest or index at ``ref``, checked against the digest in ``ref`` or in the answer.

        Raises:
            errors.RegistryError: it does not exist (status 404), is larger than 4 MiB, or is damaged.
        """

        async def read() -> ReceivedManifest:
            async with self._wire.open(
                "GET",
                self._make_path(ref),
                scopes=_reading(ref.repository),
                accept=_FOUND,
                headers={"Accept": media.ACCEPT},
            ) as response:
                data = await transport.read_capped(response, manifest.MAX_BYTES + 1)
                wanted = ref.digest or response.headers.get("Docker-Content-Digest")
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            if len(data) > manifest.MAX_BYTES:
                raise errors.InvalidImage(
                    f"manifest {ref} is larger than {manifest.MAX_BYTES} bytes; push a smaller one"
                )
            return ReceivedManifest(data, media_type, self._check(f"manifest {ref}", data, wanted))

        return await retry.retry(self._pace, read)

    async def push_manifest(self, ref: reference.ImageRef, *, data: bytes, media_type: str) -> str:
        """Write a manifest to the tag or digest of ``ref`` and return its digest; its blobs must be there.

        Raises:
            errors.RegistryError: among others with code ``MANIFEST_BLOB_UNKNOWN`` if a blob is missing.
        """
        digest = digests.compute_digest(data)

        async def write() -> str:
            async with self._wire.open(
                "PUT",
                self._make_path(ref),
                scopes=upload.make_scopes(ref.repository),
                accept=frozenset({200, 201, 202}),
                headers={"Content-Type": media_type},
                body=lambda: data,
            ) as response:
                kept = response.headers.get("Docker-Content-Digest", digest)
            if kept != digest:
                raise answer.Corrupt(self.host, f"manifest {ref}", wanted=digest, received=kept)
            return digest

        return await retry.retry(self._pace, write)

    async def has_blob(self, *, repository: str, digest: str) -> bool:
        """Tell whether ``repository`` has the blob; a yes is remembered."""
        if self.memo.has(repository=repository, digest=digest):
            return True

        async def ask() -> bool:
            async with self._wire.open(
                "HEAD",
                f"/v2/{repository}/blobs/{digests.parse_digest(digest)}",
                scopes=upload.make_scopes(repository),
                accept=_FOUND | {_MISSING},
            ) as response:
                return response.status != _MISSING

        if found := await retry.retry(self._pace, ask):
            self.memo.add(repository=repository, digest=digest)
        return found

    async def get_blob(self, *, repository: str, digest: str, size: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the blob in pieces; after a lost connection go on where it broke off.

        The digest is checked at the end: use nothing of it before the iteration has ended without an error.

        Raises:
            errors.RegistryError: it is missing or cannot be read.
            answer.Corrupt: the content has another digest, or more bytes than ``size``.
        """
        hashed, received, failures, settled = digests.make_hash(digest), 0, 0, 0
        while size is None or received < size:
            try:
                pieces = self._read_from(repository=repository, digest=digest, start=received)
                async with contextlib.aclosing(pieces):
                    async for chunk in pieces:
                        received += len(chunk)
                        hashed.update(chunk)
                        yield chunk
                        if size is not None and received > size:
                            break
                break
            except errors.RegistryError as problem:
                failures = 1 if received - settled > _READ_BYTES else failures + 1
                settled = received
                await retry.pause_or_raise(self._pace, failures, problem)
        found = f"{digest.partition(':')[0]}:{hashed.hexdigest()}"
        if found != digest:
            raise answer.Corrupt(self.host, f"blob of {repository}", wanted=digest, received=found)
        self.memo.add(repository=repository, digest=digest)

    async def fetch_blob(self, out: BinaryIO, *, repository: str, digest: str, size: int | None = None) -> None:
        """Write the blob to the empty file ``out``, again from its start if it came damaged.

        Raises:
            errors.RegistryError: it could not be had; ``out`` then holds nothing of use.
        """
        failures = 0
        while True:
            out.seek(0)
            out.truncate()
            try:
                pieces = self.get_blob(repository=repository, digest=digest, size=size)
                async with contextlib.aclosing(pieces):
                    async for chunk in pieces:
                        out.write(chunk)
                return out.flush()
            except answer.Corrupt as problem:
                failures += 1
                await retry.pause_or_raise(self._pace, failures, problem)

    async def read_blob(self, *, repository: str, digest: str, size: int) -> bytes:
        """Return a small blob whole; ``size`` (bytes) is what its descriptor says and bounds what is read."""
        out = io.BytesIO()
        await self.fetch_blob(out, repository=repository, digest=digest, size=size)
        return out.getvalue()

    async def mount_blob(self, *, repository: str, digest: str, source_repository: str) -> bool:
        """Let ``repository`` share the blob of another repository of the same registry, without a transfer.

        ``False`` means that the registry did not do it (it lacks the blob, the feature or our right to it).
        """

        async def ask() -> str | None:
            async with self._wire.open(
                "POST",
                f"/v2/{repository}/blobs/uploads/?mount={digests.parse_digest(digest)}&from={source_repository}",
                scopes=upload.make_scopes(repository, source=source_repository),
                accept=frozenset({201, 202}),
                headers={"Content-Length": "0"},
            ) as response:
                return None if response.status == 201 else response.headers.get("Location", "")  # noqa: PLR2004

        opened = await retry.retry(self._pace, ask)
        if opened is None:
            self.memo.add(repository=repository, digest=digest)
            return True
        await self._cancel_upload(repository, opened)
        return False

    async def push_blob(self, *, repository: str, digest: str, size: int, content: Callable[[], BinaryIO]) -> bool:
        """Upload a blob unless ``repository`` has it; tell whether it was sent.

        ``content`` opens the bytes anew at each call; the file it returns can seek.
        """
        if await self.has_blob(repository=repository, digest=digest):
            return False
        blob = upload.Blob(repository=repository, digest=digest, size=size, content=content)
        await upload.upload_blob(self._wire, blob, pace=self._pace, chunk_bytes=self._chunk_bytes)
        self.memo.add(repository=repository, digest=digest)
        return True

    async def _read_from(self, *, repository: str, digest: str, start: int) -> AsyncGenerator[bytes]:
        """Yield the blob's bytes from ``start``, whether or not the registry knows ranges."""
        async with self._wire.open(
            "GET",
            f"/v2/{repository}/blobs/{digest}",
            scopes=_reading(repository),
            accept=frozenset({200, _PARTIAL}) if start else _FOUND,
            headers={"Range": f"bytes={start}-"} if start else {},
        ) as response:
            skip = 0 if response.status == _PARTIAL else start
            async for chunk in response.content.iter_chunked(_READ_BYTES):
                if skip < len(chunk):
                    yield chunk[skip:]
                skip = max(0, skip - len(chunk))

    async def _cancel_upload(self, repository: str, location: str) -> None:
        """Close an upload that will not be used; if that fails the registry removes it in time."""
        with contextlib.suppress(errors.RegistryError):
            async with self._wire.open(
                "DELETE", location, scopes=upload.make_scopes(repository), accept=frozenset({204})
            ):
                pass

    def _make_path(self, ref: reference.ImageRef) -> str:
        if ref.host != self.host:
            raise errors.InvalidName(f"{ref} is not at registry {self.host}: use a client of its own host")
        return f"/v2/{ref.repository}/manifests/{ref.reference}"

    def _check(self, what: str, data: bytes, wanted: str | None) -> str:
        if wanted is None:
            return digests.compute_digest(data)
        hashed = digests.make_hash(wanted)
        hashed.update(data)
        if (found := f"{wanted.partition(':')[0]}:{hashed.hexdigest()}") != wanted:
            raise answer.Corrupt(self.host, what, wanted=wanted, received=found)
        return wanted


def _reading(repository: str) -> tuple[str, ...]:
    return (f"repository:{repository}:pull",)
