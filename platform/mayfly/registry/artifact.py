"""A registry as a store of files that are not images, such as uploaded sources."""

from __future__ import annotations

from mayfly import errors
from mayfly.image import artifact as artifacts
from mayfly.image import manifest, media, reference
from mayfly.registry import client as clients
from mayfly.registry import pull, push


async def push_artifact(
    client: clients.RegistryClient, artifact: artifacts.Artifact, ref: reference.ImageRef
) -> reference.ImageRef:
    """Push ``artifact`` to the tag of ``ref``, or by digest if it has none; return the reference by digest.

    Raises:
        errors.RegistryError: the push did not succeed; it may be repeated.
    """
    return await push.push_image(client, artifact, ref)


async def pull_artifact(
    client: clients.RegistryClient, ref: reference.ImageRef, *, artifact_type: str
) -> artifacts.Artifact:
    """Return the artifact at ``ref`` with layers that ``pull.fetch_layer`` downloads.

    Their sizes are known before anything is downloaded: check them against a limit first.

    Raises:
        errors.RegistryError: it cannot be had.
        errors.InvalidImage: it is no artifact of ``artifact_type``.
    """
    received = await client.get_manifest(ref)
    found = manifest.parse_manifest(received.data, received.media_type)
    if not isinstance(found, manifest.Manifest) or _find_type(found) != artifact_type:
        offered = _find_type(found) if isinstance(found, manifest.Manifest) else "an index"
        raise errors.InvalidImage(f"{ref} is {offered}, not {artifact_type}; push the source again with mayfly")
    origin = ref.with_digest(received.digest)
    return artifacts.Artifact(
        artifact_type=artifact_type,
        layers=tuple(pull.make_lazy_layer(item, origin) for item in found.layers),
        annotations=tuple(sorted(found.annotations.items())),
        received=received.data,
    )


def _find_type(found: manifest.Manifest) -> str:
    """Return the artifact type; before OCI 1.1 the config's media type said it ("manifest.md", artifactType)."""
    if found.artifact_type:
        return found.artifact_type
    return "an artifact without type" if found.config.media_type == media.OCI_EMPTY else found.config.media_type
