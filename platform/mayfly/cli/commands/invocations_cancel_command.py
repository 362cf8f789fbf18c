"""``mayfly invocations cancel``."""

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
    """Give up what waits or is under way.

    An attempt under way is cut off, not undone: the function may have had it all the same. The id goes to stdout.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_cancel(target, rest.Door(api_url, token), identity, output))


async def _cancel(target: session.Target, door: rest.Door, identity: str, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        found = (await api.ask("POST", f"{invocations.place_of(identity)}/cancel")).document
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump(found, output))
        return
    talk.give(f"{found['id']} cancelled")
