"""``mayfly list``."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated

import typer

from mayfly.cli import options, session, talk, view
from mayfly.cluster import kinds


def run(
    *,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    labels: Annotated[str | None, typer.Option("--selector", "-l", metavar="LABELS", help="Label selector.")] = None,
) -> None:
    """List functions.

    The columns are those of `kubectl get functions`; `-o wide` adds runtime, signature and image.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_list(target, output, everywhere=everywhere, labels=labels))


async def _list(target: session.Target, output: options.Format, *, everywhere: bool, labels: str | None) -> None:
    async with session.connect(target) as current:
        found = await current.cluster.list(kinds.FUNCTION, None if everywhere else current.namespace, labels)
    found.sort(key=lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
    if not found and output in {options.Format.TABLE, options.Format.WIDE}:
        where = "in any namespace" if everywhere else f"in namespace {current.namespace}"
        which = f" with labels {labels}" if labels else ""
        talk.say(f"No functions {where}{which}. Create one: mayfly new hello && mayfly deploy hello")
        return
    now = dt.datetime.now(dt.UTC)
    if text := view.render(found, output, namespaces=everywhere, now=now):
        talk.give(text)
