"""Bring a source here: from the request itself, or from the registry it was uploaded to."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from mayfly import errors
from mayfly.build import extract, limits, workshop
from mayfly.image import manifest, reference
from mayfly.model import build, names
from mayfly.plan import tree

ARTIFACT_TYPE = "application/vnd.mayfly.source.v1+tar+gzip"
_NOT_FOUND = 404


@contextlib.asynccontextmanager
async def open_source(
    request: build.BuildRequest, *, shop: workshop.Workshop, work: Path
) -> AsyncIterator[tree.SourceTree]:
    """Yield the source of ``request``; its files can be read until the context ends.

    Raises:
        SourceError: it is unsafe, too large, not there, or belongs to another namespace.
        RegistryError: the registry cannot give it.
    """
    if request.source.inline is not None:
        yield _read_inline(request.source.inline, shop.bounds)
        return
    assert request.source.oci is not None
    ref = _check_ref(request, shop)
    with tempfile.TemporaryFile(dir=work) as archive:
        descriptor = await _find_archive(ref, shop)
        await shop.registry.fetch_blob(
            archive, repository=ref.repository, digest=descriptor.digest, size=descriptor.size
        )
        files = await asyncio.to_thread(extract.extract, archive, bounds=shop.bounds, directory=work)
    with files:
        yield tree.SourceTree(files, frozenset(files.executable))


def _read_inline(source: build.InlineFiles, bounds: limits.Limits) -> tree.SourceTree:
    files = {path: text.encode("utf-8", "surrogatepass") for path, text in source.files.items()}
    size = sum(map(len, files.values()))
    if size > bounds.unpacked_bytes:
        raise errors.SourceError(
            f"the source has {limits.shown(size)}; {limits.shown(bounds.unpacked_bytes)} are allowed"
        )
    return tree.make_tree(files)


def _check_ref(request: build.BuildRequest, shop: workshop.Workshop) -> reference.ImageRef:
    """Return the reference of an uploaded source, which must lie below its own namespace in our registry.

    Raises:
        SourceError: it lies elsewhere, or names no digest.
    """
    assert request.source.oci is not None
    ref = reference.ImageRef.parse(request.source.oci.ref)
    own = names.source_repository(shop.given.registry, request.namespace, "")
    if not f"{ref.name}/".startswith(own):
        raise errors.SourceError(
            f"source.oci.ref {request.source.oci.ref!r} lies outside {own}, the sources of this namespace;"
            " upload the source with `mayfly deploy`"
        )
    if ref.digest is None:
        raise errors.SourceError(f"source.oci.ref {request.source.oci.ref!r} names no digest; add @sha256:...")
    return ref


async def _find_archive(ref: reference.ImageRef, shop: workshop.Workshop) -> manifest.Descriptor:
    """Return the descriptor of the archive that the artifact ``ref`` holds.

    Raises:
        SourceError: there is no such artifact, it is no source, or it is too large.
    """
    try:
        received = await shop.registry.get_manifest(ref)
    except errors.RegistryError as error:
        if error.status == _NOT_FOUND:
            raise errors.SourceError(f"source {ref} does not exist; deploy the function again") from error
        raise
    found = manifest.parse_manifest(received.data, received.media_type)
    if isinstance(found, manifest.Index) or found.artifact_type != ARTIFACT_TYPE or len(found.layers) != 1:
        raise errors.SourceError(f"source {ref} is not a source archive; upload it with `mayfly deploy`")
    archive = found.layers[0]
    if archive.size > shop.bounds.archive_bytes:
        raise errors.SourceError(
            f"the archive has {limits.shown(archive.size)}; {limits.shown(shop.bounds.archive_bytes)} are allowed:"
            " leave out data and generated files, or mount them as a volume"
        )
    return archive
