"""``mayfly invocations result``."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from mayfly.cli import deployment, exits, invocations, ledger, options, rest, session, talk, view

REFUSED = 400


def run(
    *,
    identity: options.Id,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end of it.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Wait at most so long.")] = "5m",
    include: Annotated[bool, typer.Option("--include", "-i", help="Print the answer's headers to stderr.")] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Print what the function answered.

    The body goes to stdout, byte for byte, the status to stderr. Exit code 22 when the answer is 400 or above or the
    call was given up, 124 when it does not come in time. Only calls have an answer that is kept, and what was given up.
    """
    seconds = deployment.parse_seconds("--timeout", timeout) if wait else None
    target = session.Target(namespace, context, kubeconfig)
    door = rest.Door(api_url, token)
    raise typer.Exit(asyncio.run(_print(target, door, identity, output=output, seconds=seconds, include=include)))


async def _print(
    target: session.Target,
    door: rest.Door,
    identity: str,
    *,
    output: options.Format,
    seconds: float | None,
    include: bool,
) -> int:
    async with rest.connect(target, door) as api:
        found = await invocations.find_result(api, identity, wait_seconds=seconds)
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump(found, output))
    else:
        give(found, include=include)
    return exits.FUNCTION_ERROR if found["state"] == "dead" or found["status"] >= REFUSED else exits.OK


def give(found: invocations.Document, *, include: bool) -> None:
    """Copy an answer to stdout, and say on stderr what it was."""
    if include:
        talk.say("".join(f"{header['name']}: {header['value']}\n" for header in found["headers"]))
    body = ledger.read_body(found)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
    if sys.stdout.isatty() and not body.endswith(b"\n"):
        talk.say("")  # the cursor stands behind the body
    good = found["state"] == "delivered" and found["status"] < REFUSED
    talk.say(talk.paint(f"HTTP {found['status']}, {found['state']}", "dim" if good else "red"))
    if found["truncated"]:
        talk.say(f"{talk.paint('warning:', 'yellow')} the answer was longer than is kept; this is its beginning")
    if not good:
        talk.say(f"what happened: mayfly invocations get {found['id']}; its log: mayfly invocations logs {found['id']}")
