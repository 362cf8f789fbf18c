"""Bring a source here: from the request itself, the registry it was uploaded to, or a host outside."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from mayfly import errors
from mayfly.build import archive, checkout, extract, limits, spool, workshop
from mayfly.image import layer, reference
from mayfly.model import build, names
from mayfly.plan import tree
from mayfly.registry import artifact, pull

ARTIFACT_TYPE = "application/vnd.mayfly.source.v1+tar+gzip"
_NOT_FOUND = 404


@contextlib.asynccontextmanager
async def open_source(
    request: build.BuildRequest, *, shop: workshop.Workshop, work: Path, on_line: Callable[[str], None]
) -> AsyncIterator[tree.SourceTree]:
    """Yield the source of ``request``; its files can be read until the context ends. ``on_line`` gets remarks.

    Raises:
        SourceError: it is unsafe, too large, not there, or belongs to another namespace.
        SourceUnavailable: its host does not answer.
        RegistryError: the registry cannot give it.
    """
    source = request.source
    if source.inline is not None:
        yield _read_inline(source.inline, shop.bounds)
        return
    if source.git is not None:
        files = await checkout.fetch(source.git, request.credentials, shop=shop, work=work, on_line=on_line)
    elif source.archive is not None:
        files = await archive.fetch(source.archive, request.credentials, shop=shop, work=work)
    else:
        files = await _fetch_upload(request, shop=shop, work=work)
    with files:
        yield tree.SourceTree(files, frozenset(files.executable))


async def _fetch_upload(request: build.BuildRequest, *, shop: workshop.Workshop, work: Path) -> spool.Spool:
    ref = _check_ref(request, shop)
    with tempfile.TemporaryFile(dir=work) as packed:
        await pull.fetch_layer(shop.registry, await _find_archive(ref, shop), packed)
        return await asyncio.to_thread(extract.extract, packed, bounds=shop.bounds, directory=work)


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
    if not ref.name.startswith(own):
        raise errors.SourceError(
            f"source.oci.ref {request.source.oci.ref!r} lies outside {own}, the sources of this namespace;"
            " upload the source with `mayfly deploy`"
        )
    if ref.digest is None:
        raise errors.SourceError(f"source.oci.ref {request.source.oci.ref!r} names no digest; add @sha256:...")
    return ref


async def _find_archive(ref: reference.ImageRef, shop: workshop.Workshop) -> layer.Layer:
    """Return the archive that the artifact ``ref`` holds; nothing of it is downloaded.

    Raises:
        SourceError: there is no such artifact, it is no source, or it is too large.
    """
    try:
        found = await artifact.pull_artifact(shop.registry, ref, artifact_type=ARTIFACT_TYPE)
    except errors.InvalidImage as error:
        raise errors.SourceError(str(error)) from error
    except errors.RegistryError as error:
        if error.status == _NOT_FOUND:
            raise errors.SourceError(f"source {ref} does not exist; deploy the function again") from error
        raise
    if len(found.layers) != 1:
        raise errors.SourceError(f"source {ref} has {len(found.layers)} layers, not one; deploy the function again")
    limits.check_archive(shop.bounds, found.layers[0].size)
    return found.layers[0]
