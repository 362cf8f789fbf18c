"""``mayfly dlq show``."""

from __future__ import annotations

import asyncio
import datetime as dt

from mayfly.cli import exits, invocations, ledger, options, rest, session, talk, view


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
    """Show a dead letter with its attempts and its message.

    Credentials in the message are hidden. JSON and YAML are the REST API's document with the attempts as `history` and
    the request as `message`.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_show(target, rest.Door(api_url, token), identity, output))


async def _show(target: session.Target, door: rest.Door, identity: str, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        found = await invocations.find(api, identity)
        if found["state"] != "dead":
            raise exits.Failed(
                f"{identity} is {invocations.describe(found)}, not dead; see mayfly invocations get {identity}"
            )
        attempts = await invocations.find_attempts(api, identity)
        message = (await api.ask("GET", f"{invocations.place_of(identity)}/message")).document
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump({**found, "history": attempts, "message": message}, output))
        return
    card = ledger.render_card(found, attempts, now=dt.datetime.now(dt.UTC))
    talk.give(f"{card}\n\nMessage:\n  {view.indent(ledger.render_message(message), 2)}")
    talk.say(f"once its function is mended: mayfly dlq redrive {identity}")
