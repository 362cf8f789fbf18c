"""What a shell offers after <TAB>: the functions that are there. Never an error, never a long wait."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any

import typer

SECONDS = 2.0


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of functions that begin with ``incomplete``; none when the cluster does not say in time."""
    import asyncio  # noqa: PLC0415  (with the rest a fifth of a second, which --help must not pay)

    from mayfly.cli import session  # noqa: PLC0415

    before = context.find_root().params
    given = {name: context.params.get(name) or before.get(name) for name in ("namespace", "kubeconfig")}
    chosen = context.params.get("context") or before.get("kubeconfig_context")
    file = given["kubeconfig"]
    target = session.Target(given["namespace"], chosen, pathlib.Path(file) if file else None)
    with contextlib.suppress(Exception):
        return asyncio.run(_find(target, incomplete))
    return []


async def _find(target: Any, incomplete: str) -> list[str]:
    import asyncio  # noqa: PLC0415

    from mayfly.cli import session  # noqa: PLC0415
    from mayfly.cluster import kinds  # noqa: PLC0415

    async with asyncio.timeout(SECONDS), session.connect(target) as current:
        found = await current.cluster.list(kinds.FUNCTION, current.namespace)
    return sorted(obj["metadata"]["name"] for obj in found if obj["metadata"]["name"].startswith(incomplete))
