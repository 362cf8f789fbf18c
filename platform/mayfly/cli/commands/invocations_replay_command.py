"""``mayfly invocations replay``."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from mayfly.cli import invocations, options, rest, session, talk, view


def run(
    *,
    identity: options.Id,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="NAME", help="Send it to this revision, such as mail-00002."),
    ] = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Send the message of a settled invocation once more.

    As a new invocation, whose id goes to stdout; without --revision it goes where the function's traffic goes.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_replay(target, rest.Door(api_url, token), identity, revision=revision, output=output))


async def _replay(
    target: session.Target, door: rest.Door, identity: str, *, revision: str | None, output: options.Format
) -> None:
    body = json.dumps({} if revision is None else {"revision": revision}).encode()
    headers = {"Content-Type": "application/json"}
    async with rest.connect(target, door) as api:
        path = f"{invocations.place_of(identity)}/replay"
        made = (await api.ask("POST", path, headers=headers, body=body)).document
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump(made, output))
        return
    talk.give(made["id"])
    talk.say(f"it replays {identity}; what becomes of it: mayfly invocations get {made['id']}")
