"""``mayfly dlq redrive``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mayfly.cli import completion, exits, invocations, options, rest, session, talk, view


def run(
    *,
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="FUNCTION|ID",
            help="The function whose dead letters, or the one dead letter.",
            autocompletion=completion.complete_names,
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of every function of the namespace.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Have dead letters wait again.

    Each with all its retries and a new greatest age. How many goes to stdout; what dies anew meanwhile is not taken
    twice.
    """
    if (which is None) != everything:
        raise exits.WrongUsage("name a function or a dead letter, as in `mayfly dlq redrive mail`, or say --all")
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_redrive(target, rest.Door(api_url, token), which, output))


async def _redrive(target: session.Target, door: rest.Door, which: str | None, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        if which is not None and invocations.ID.fullmatch(which):
            await api.ask("POST", f"{invocations.place_of(which)}/redrive")
            number = 1
        else:
            number = await redrive_all(api, which)
    give_number(number, verb="redriven", which=which, namespace=api.current.namespace, output=output)


async def redrive_all(api: rest.Api, function: str | None) -> int:
    """Redrive every dead letter of ``function`` (``None``: of all) and return how many."""
    number = 0
    async for step in invocations.go_on(api, "POST", "/dead-letters/redrive", function=function):
        number += step["redriven"]
        if step["cursor"] is not None:
            talk.say(f"{number} redriven so far")
    return number


def give_number(number: int, *, verb: str, which: str | None, namespace: str, output: options.Format) -> None:
    """Print how many it were, and say where to look when there were none."""
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump({verb: number}, output))
        return
    talk.give(f"{number} dead letter{'s' * (number != 1)} {verb}")
    if number == 0:
        of = which or "any function"
        talk.say(f"there is none of {of} in namespace {namespace}; mayfly dlq list shows all there are")
