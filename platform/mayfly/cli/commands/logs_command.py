"""``mayfly logs``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from mayfly.cli import deployment, loglines, options, session, talk
from mayfly.cluster import tail
from mayfly.model import labels

CONTAINER = "user-container"
"""What Knative calls the container of a function."""


def run(
    *,
    name: options.Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and print what comes.")] = False,
    last: Annotated[
        int | None, typer.Option("--tail", metavar="N", min=0, help="Last N lines of each instance. Default: all.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DURATION", help="Only what is younger, such as 5m.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the lines as they were written.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Print the log of the last build instead.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Print or follow the log of a function's instances.

    Each line begins with the revision and instance that wrote it. With -f new instances are followed as they come.
    """
    target = session.Target(namespace, context, kubeconfig)
    if build:
        asyncio.run(_print_build(target, name))
        return
    seconds = None if since is None else max(1, round(deployment.parse_seconds("--since", since)))
    asyncio.run(_print_log(target, name, raw=raw, follow=follow, last=last, since_seconds=seconds))


async def _print_log(target: session.Target, name: str, *, raw: bool, follow: bool, **how: Any) -> None:
    seen = False
    async with session.connect(target) as current:
        await current.get_function(name)
        lines = tail.tail(
            current.cluster,
            namespace=current.namespace,
            selector=labels.function_selector(name),
            container=CONTAINER,
            follow=follow,
            **how,
        )
        async for line in lines:
            seen = True
            prefix = f"[{loglines.shorten_pod(line.pod)}] "
            talk.give(prefix + (line.text if raw else loglines.render(line.text)))
    if not seen:
        talk.say(f"{name} has written nothing, or has no instance at the moment; -f waits for the next one")


async def _print_build(target: session.Target, name: str) -> None:
    async with session.connect(target) as current:
        found = await current.get_function(name)
    build = (found.get("status") or {}).get("build") or {}
    for line in build.get("log") or []:
        talk.give(line)
    if not build.get("log"):
        steps = ", ".join(f"{step['name']} {step['seconds']:.2f} s" for step in build.get("steps") or [])
        state = build.get("state") or "there was none yet"
        talk.say(f"no log is kept of the last build of {name}: {state}{f' ({steps})' if steps else ''}")
