"""Volumes of a function's pod: Secrets, ConfigMaps and scratch space, nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from mayfly.model import function, quantity
from mayfly.resources import environment

SCRATCH = {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}}
"""``/tmp`` of a function whose root filesystem is read-only; a pod that writes more is evicted, not the node filled."""
SCRATCH_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  (a mount point, not a file of ours)


@dataclass(frozen=True, slots=True)
class Mounted:
    """Pod volumes and the container's mounts of them, in the same order."""

    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]


def make_volumes(volumes: tuple[function.Volume, ...], *, scratch: bool) -> Mounted:
    """Return the pod's volumes sorted by path, ``/tmp`` first when ``scratch`` is wanted.

    Their order means nothing to Kubernetes, so writing them in another order makes no new revision.
    """
    ordered = sorted(volumes, key=lambda volume: volume.path)
    return Mounted(
        volumes=[SCRATCH] * scratch + [_make_volume(volume) for volume in ordered],
        mounts=[SCRATCH_MOUNT] * scratch + [_make_mount(volume) for volume in ordered],
    )


def make_name(path: str) -> str:
    """Return a volume name that depends on the path alone: paths hold characters that names may not."""
    return f"files-{hashlib.sha256(path.encode()).hexdigest()[:10]}"


def _make_volume(volume: function.Volume) -> dict[str, Any]:
    named = {"name": make_name(volume.path)}
    if volume.secret is not None:
        reference = environment.make_reference(volume.secret)
        return named | {"secret": {"secretName": reference.pop("name"), **reference}}
    if volume.config_map is not None:
        return named | {"configMap": environment.make_reference(volume.config_map)}
    limit = volume.empty_dir.size_limit if volume.empty_dir else None
    return named | {"emptyDir": {} if limit is None else {"sizeLimit": quantity.canonical(limit)}}


def _make_mount(volume: function.Volume) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": make_name(volume.path), "mountPath": volume.path}
    return mount | ({"readOnly": True} if volume.empty_dir is None else {})
