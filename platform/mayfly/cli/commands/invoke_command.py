"""``mayfly invoke``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mayfly.cli import call, deployment, exits, options, session
from mayfly.cli import later as asynchronous


def run(
    *,
    name: options.Name,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="DATA", help="Body; @FILE reads a file, @- stdin.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--request", "-X", metavar="METHOD", help="Method. Default: GET, with a body POST.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="Header; may be repeated.")
    ] = None,
    path: Annotated[str, typer.Option("--path", "-p", metavar="PATH", help="Path and query.")] = "/",
    event: Annotated[
        str | None,
        typer.Option("--event", metavar="TYPE", help="Send a CloudEvent of this type with DATA as its data."),
    ] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Print the answer's headers to stderr.")] = False,
    later: Annotated[
        bool, typer.Option("--async", help="Have it carried out later, with retries; print its id.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="With --async: wait for the answer.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Wait at most so long.")] = "60s",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Call a function through the gateway and print its answer.

    The body goes to stdout, status and time to stderr. Exit code 22 when the answer is 400 or above, 124 when none
    comes in time. With --async it is delivered until it succeeds or is given up, which `mayfly invocations get` tells.
    GATEWAY_URL names the gateway where its address cannot be found.
    """
    request = call.make_request(data=data, method=method, headers=header or [], path=path, event=event)
    seconds = deployment.parse_seconds("--timeout", timeout)
    target = session.Target(namespace, context, kubeconfig)
    if wait and not later:
        raise exits.WrongUsage("--wait goes with --async; a call without it waits anyhow")
    if later:
        work = asynchronous.invoke(target, name, request, include=include, wait=wait, seconds=seconds)
    else:
        work = call.invoke(target, name, request, include=include, seconds=seconds)
    code = asyncio.run(work)
    raise typer.Exit(code)
