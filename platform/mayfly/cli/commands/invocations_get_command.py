"""``mayfly invocations get``."""

from __future__ import annotations

import asyncio
import datetime as dt

from mayfly.cli import invocations, ledger, options, rest, session, talk, view


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
    """Show one invocation with its attempts.

    JSON and YAML are the REST API's document with the attempts as `history`.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_show(target, rest.Door(api_url, token), identity, output))


async def _show(target: session.Target, door: rest.Door, identity: str, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        found = await invocations.find(api, identity)
        attempts = await invocations.find_attempts(api, identity)
    now = dt.datetime.now(dt.UTC)
    match output:
        case options.Format.TABLE:
            talk.give(ledger.render_card(found, attempts, now=now))
            _hint(found)
        case options.Format.JSON | options.Format.YAML:
            talk.give(view.dump({**found, "history": attempts}, output))
        case _:
            talk.give(ledger.render([found], output, now=now))


def _hint(one: invocations.Document) -> None:
    """Say what can be done about it."""
    if one["state"] == "dead":
        talk.say(f"once its function is mended: mayfly invocations redrive {one['id']}")
    elif one["state"] == "delivered" and one["kind"] == "call":
        talk.say(f"its answer: mayfly invocations result {one['id']}")
