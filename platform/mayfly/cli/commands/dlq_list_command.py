"""``mayfly dlq list``."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated

import typer

from mayfly.cli import completion, invocations, ledger, options, rest, session, talk


def run(
    *,
    function: Annotated[
        str | None,
        typer.Argument(
            metavar="FUNCTION",
            help="Of this function only.",
            autocompletion=completion.complete_names,
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N, the newest.")] = 100,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """List dead letters: what was given up, and why.

    They are kept as spec.delivery.deadLetter.retention of their function says.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_list(target, rest.Door(api_url, token), function, output=output, limit=limit))


async def _list(
    target: session.Target, door: rest.Door, function: str | None, *, output: options.Format, limit: int
) -> None:
    async with rest.connect(target, door) as api:
        conditions = {"function": function}
        found = await invocations.list_all(api, "/dead-letters", limit=limit, conditions=conditions)
        namespace = api.current.namespace
    if not found and output in {options.Format.TABLE, options.Format.WIDE}:
        of = f" of {function}" if function else ""
        talk.say(f"No dead letters{of} in namespace {namespace}. What is on its way: mayfly invocations list")
        return
    if text := ledger.render(found, output, now=dt.datetime.now(dt.UTC), dead=True):
        talk.give(text)
