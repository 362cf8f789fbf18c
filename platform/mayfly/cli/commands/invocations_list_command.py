"""``mayfly invocations list``."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated

import typer

from mayfly.cli import deployment, invocations, ledger, options, rest, session, talk


def run(
    *,
    function: options.OfFunction = None,
    state: Annotated[
        list[options.State] | None, typer.Option("--state", help="In this state only; may be repeated.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DURATION", help="Accepted within, such as 10m.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N, the newest.")] = 50,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """List events and calls on their way, and what became of them.

    The newest first. What was delivered is on record for a day, unless the installation says otherwise.
    """
    conditions = {
        "function": function,
        "state": ",".join(state) if state else None,
        "since": None if since is None else before(deployment.parse_seconds("--since", since)),
    }
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_list(target, rest.Door(api_url, token), conditions, output=output, limit=limit))


def before(seconds: float) -> str:
    """Return the instant so long ago, as the API takes it."""
    return (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def _list(
    target: session.Target,
    door: rest.Door,
    conditions: dict[str, str | None],
    *,
    output: options.Format,
    limit: int,
) -> None:
    async with rest.connect(target, door) as api:
        found = await invocations.list_all(api, "/invocations", limit=limit, conditions=conditions)
        namespace = api.current.namespace
    if not found and output in {options.Format.TABLE, options.Format.WIDE}:
        chosen = " ".join(f"{name} {value}" for name, value in conditions.items() if value)
        talk.say(
            f"No invocations in namespace {namespace}{f' with {chosen}' if chosen else ''}. Send an event:"
            " mayfly events send TYPE, or call a function asynchronously: mayfly invoke NAME --async"
        )
        return
    if text := ledger.render(found, output, now=dt.datetime.now(dt.UTC)):
        talk.give(text)
