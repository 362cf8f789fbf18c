"""``mayfly delete``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mayfly import errors
from mayfly.cli import options, session, talk
from mayfly.cluster import kinds


def run(
    names: options.Names,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    ignore_not_found: Annotated[
        bool, typer.Option("--ignore-not-found", help="Do not complain about one that is not there.")
    ] = False,
) -> None:
    """Delete functions and all that was made for them.

    Their routes, revisions and instances go in the background. Images and uploaded sources stay in the registry.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_delete(target, names, ignore_not_found=ignore_not_found))


async def _delete(target: session.Target, names: list[str], *, ignore_not_found: bool) -> None:
    missing: errors.NotFound | None = None
    async with session.connect(target) as current:
        for name in names:
            try:
                await current.cluster.delete(kinds.FUNCTION, current.namespace, name)
                talk.give(f"function.mayfly.dev/{name} deleted")
            except errors.NotFound as error:
                missing = error
    if missing is not None and not ignore_not_found:
        raise missing
