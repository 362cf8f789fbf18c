"""``mayfly invocations redrive``."""

from __future__ import annotations

import asyncio

from mayfly.cli import invocations, options, rest, session, talk, view


def run(
    *,
    identity: options.Id,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Have a dead invocation wait again.

    With all its retries and a new greatest age; its attempts stay on record. For all of a function: mayfly dlq redrive.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_redrive(target, rest.Door(api_url, token), identity, output))


async def _redrive(target: session.Target, door: rest.Door, identity: str, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        found = (await api.ask("POST", f"{invocations.place_of(identity)}/redrive")).document
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump(found, output))
        return
    talk.give(f"{found['id']} waits again")
