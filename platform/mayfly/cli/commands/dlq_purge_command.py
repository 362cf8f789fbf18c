"""``mayfly dlq purge``."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from mayfly.cli import completion, exits, invocations, options, rest, session, talk
from mayfly.cli.commands import dlq_redrive_command


def run(
    *,
    function: Annotated[
        str | None,
        typer.Argument(
            metavar="FUNCTION",
            help="The function whose dead letters.",
            autocompletion=completion.complete_names,
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of every function of the namespace.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Delete dead letters for good.

    Message, attempts and reason go with them. Asks first; where nobody can be asked, --yes is needed. How many goes to
    stdout; what dies meanwhile stays.
    """
    if (function is None) != everything:
        raise exits.WrongUsage("name a function, as in `mayfly dlq purge mail`, or say --all")
    if function is not None and invocations.ID.fullmatch(function):
        raise exits.WrongUsage(f"{function!r} is an id; dead letters are purged by function, a single one cannot be")
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_purge(target, rest.Door(api_url, token), function, yes=yes, output=output))


async def _purge(
    target: session.Target, door: rest.Door, function: str | None, *, yes: bool, output: options.Format
) -> None:
    async with rest.connect(target, door) as api:
        number = 0
        if yes or await _confirm(api, function):
            async for step in invocations.go_on(api, "DELETE", "/dead-letters", function=function):
                number += step["purged"]
                if step["cursor"] is not None:
                    talk.say(f"{number} purged so far")
    namespace = api.current.namespace
    dlq_redrive_command.give_number(number, verb="purged", which=function, namespace=namespace, output=output)


async def _confirm(api: rest.Api, function: str | None) -> bool:
    """Ask whether it is meant; ``False``: there is nothing to ask about.

    Raises:
        exits.WrongUsage: nobody can be asked.
        exits.Failed: it is not meant.
    """
    queues = (await api.ask("GET", "/queues")).document["items"]
    number = sum(queue["dead"] for queue in queues if function in {None, queue["function"]})
    if number == 0:
        return False
    what = f"{number} dead letter{'s' * (number != 1)} of {function or 'all functions'}"
    if not sys.stdin.isatty():
        raise exits.WrongUsage(f"{what} in namespace {api.current.namespace} would go for good; confirm with --yes")
    talk.say(f"Delete {what} in namespace {api.current.namespace} for good? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise exits.Failed("nothing was deleted")
    return True
