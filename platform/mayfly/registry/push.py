"""A registry as a sink of images: send what is lacking, the manifest last."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from mayfly import errors
from mayfly.image import layer, reference
from mayfly.registry import client as clients
from mayfly.registry import pull

PARALLEL_BLOBS = 4
"""Blobs of one image that are looked up, mounted or sent at the same time."""
SMALL_BYTES = 1024 * 1024
"""A layer up to this size is sent rather than looked for in ``mount_from``: that costs no more."""
_BLOB_UNKNOWN = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
"""Codes with which a registry says that a manifest names a blob it does not have."""


class Pushable(Protocol):
    """What an image and an artifact have in common."""

    @property
    def layers(self) -> tuple[layer.Layer, ...]:
        """The blobs besides the config."""

    @property
    def config_bytes(self) -> bytes:
        """The config."""

    @property
    def config_digest(self) -> str:
        """The digest of the config."""

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest."""

    @property
    def digest(self) -> str:
        """The digest of the manifest."""

    @property
    def media_type(self) -> str:
        """The manifest's media type."""


async def push_image(
    client: clients.RegistryClient,
    image: Pushable,
    ref: reference.ImageRef,
    *,
    mount_from: Iterable[str] = (),
    source: clients.RegistryClient | None = None,
) -> reference.ImageRef:
    """Push ``image`` to the tag of ``ref``, or by digest if it has none; return the reference by digest.

    A layer is looked for where it may be before it is sent: in the repository itself, at its ``origin``, where this
    process saw it, in the repositories ``mount_from`` of the same registry. A layer without content is copied from
    its origin through ``source``, the client of the origin's host (default: ``client``).

    The manifest is written after all blobs, so a death in between leaves nothing visible. Blobs are remembered as
    present; if the registry lost one since, all are looked up again, once.

    Raises:
        errors.RegistryError: the push did not succeed; it may be repeated.
    """
    plan = _Push(client, source or client, ref.repository, tuple(mount_from))
    target = ref if ref.tag and not ref.digest else ref.with_digest(image.digest)
    try:
        digest = await _push_once(plan, image, target)
    except errors.RegistryError as problem:
        if problem.temporary or not _BLOB_UNKNOWN.intersection(problem.codes):
            raise
        client.memo.forget(ref.repository)
        digest = await _push_once(plan, image, target)
    return ref.with_digest(digest)


@dataclass(frozen=True, slots=True)
class _Push:
    client: clients.RegistryClient
    source: clients.RegistryClient
    repository: str
    mount_from: tuple[str, ...]


async def _push_once(plan: _Push, image: Pushable, target: reference.ImageRef) -> str:
    config = image.config_bytes
    layers = {item.digest: item for item in image.layers}
    await _run_all(
        [
            plan.client.push_blob(
                repository=plan.repository,
                digest=image.config_digest,
                size=len(config),
                content=partial(io.BytesIO, config),
            ),
            *(_push_layer(plan, item) for item in layers.values()),
        ]
    )
    return await plan.client.push_manifest(target, data=image.manifest_bytes, media_type=image.media_type)


async def _push_layer(plan: _Push, item: layer.Layer) -> None:
    """See that the repository has ``item``, by the cheapest way that works."""
    client, repository = plan.client, plan.repository
    if client.memo.has(repository=repository, digest=item.digest) or await _mount(plan, item):
        return
    if item.content is not None:
        await client.push_blob(repository=repository, digest=item.digest, size=item.size, content=item.content)
    elif not await client.has_blob(repository=repository, digest=item.digest):
        await _copy_layer(plan, item)


async def _copy_layer(plan: _Push, item: layer.Layer) -> None:
    """Bring a layer over from another registry, by way of a file: what is damaged is noticed before it is sent."""
    with tempfile.TemporaryFile() as spool:
        held = await pull.fetch_layer(plan.source, item, spool)
        assert held.content is not None
        await plan.client.push_blob(
            repository=plan.repository, digest=item.digest, size=item.size, content=held.content
        )


async def _mount(plan: _Push, item: layer.Layer) -> bool:
    """Try to share the layer with a repository of the same registry."""
    for source in _list_mount_sources(plan, item):
        if await plan.client.mount_blob(repository=plan.repository, digest=item.digest, source_repository=source):
            return True
    return False


def _list_mount_sources(plan: _Push, item: layer.Layer) -> list[str]:
    """Return the repositories that may have the layer, the most likely first; none if the target itself should."""
    known = plan.client.memo.find(item.digest)
    sources = [item.origin.repository] if item.origin and item.origin.host == plan.client.host else []
    sources += [known] if known else []
    if item.content is None or item.size > SMALL_BYTES:
        sources += plan.mount_from
    return [] if plan.repository in sources else list(dict.fromkeys(sources))


async def _run_all(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run ``work``, a few at a time; the first error cancels the rest and is raised."""
    slots = asyncio.Semaphore(PARALLEL_BLOBS)

    async def run(item: Coroutine[Any, Any, object]) -> None:
        async with slots:
            await item

    try:
        async with asyncio.TaskGroup() as group:
            for item in work:
                group.create_task(run(item))
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from problems
