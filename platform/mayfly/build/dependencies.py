"""The dependency layer of a plan: from the registry if it was ever made, else installed and kept there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mayfly import errors
from mayfly.build import install, layers, limits, runtime_dir, workshop
from mayfly.image import image as images
from mayfly.image import layer
from mayfly.plan import dependencies
from mayfly.registry import pull, push

AT = f"/{layers.DEPENDENCIES}"
_NOT_FOUND = 404


async def find_layer(
    plan: dependencies.DependencyPlan,
    *,
    shop: workshop.Workshop,
    base: workshop.Base,
    work: Path,
    on_line: Callable[[str], None],
) -> tuple[layer.Layer, str]:
    """Return the layer of ``plan``, which must not be empty, and a remark on where it came from.

    Raises:
        DependencyError: the packages cannot be installed.
        RegistryError: the registry cannot be asked or written.
    """
    async with shop.lock(plan.key):
        if kept := await _recall(plan.key, shop):
            return kept, f"cached, {limits.shown(kept.size)}"
        with layers.open_storage(work) as storage:
            made = await _make(plan, storage, shop=shop, base=base, work=work, on_line=on_line)
            image = images.append(images.empty(), [made])
            pushed = await push.push_image(shop.registry, image, shop.dependencies_ref(plan.key))
        return replace(made, content=None, origin=pushed), f"installed, {limits.shown(made.size)}"


async def _recall(key: str, shop: workshop.Workshop) -> layer.Layer | None:
    """Return the layer kept under ``key``, None if there is none."""
    try:
        image = await pull.pull_image(shop.registry, shop.dependencies_ref(key))
    except errors.RegistryError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    return image.layers[0] if len(image.layers) == 1 else None


async def _make(
    plan: dependencies.DependencyPlan,
    storage: BinaryIO,
    *,
    shop: workshop.Workshop,
    base: workshop.Base,
    work: Path,
    on_line: Callable[[str], None],
) -> layer.Layer:
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        target, home = Path(scratch) / "target", Path(scratch) / "home"
        target.mkdir()
        home.mkdir()
        await install.install(plan, target=target, work=home, fit=base.fit, installer=shop.installer, on_line=on_line)
        await install.trim_cache(work=home, installer=shop.installer)
        await runtime_dir.add_bytecode(target, root=AT, work=home)
        return await asyncio.to_thread(layers.pack_dependencies, target, storage, key=plan.key)
