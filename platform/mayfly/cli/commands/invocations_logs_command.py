"""``mayfly invocations logs``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mayfly.cli import invocations, loglines, options, rest, session, talk


def run(
    *,
    identity: options.Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and print what comes.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the lines as they were written.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Print what the instances wrote while they worked on an invocation.

    Over all its attempts, from instances that are still there. Each line begins with the revision and instance that
    wrote it.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_print(target, rest.Door(api_url, token), identity, follow=follow, raw=raw))


async def _print(target: session.Target, door: rest.Door, identity: str, *, follow: bool, raw: bool) -> None:
    seen = False
    async with rest.connect(target, door) as api:
        query = "?follow=true" if follow else ""
        async for line in api.read_lines(f"{invocations.place_of(identity)}/logs{query}"):
            seen = True
            pod, _, text = line.partition(" ")
            talk.give(f"[{loglines.shorten_pod(pod)}] " + (text if raw else loglines.render(text)))
        found = None if seen else await invocations.find(api, identity)
    if found is not None:
        talk.say(
            f"nothing is there of {identity}: no attempt wrote a line, or its instances have gone; it is"
            f" {invocations.describe(found)}. Everything of the function: mayfly logs {found['function']}"
        )
