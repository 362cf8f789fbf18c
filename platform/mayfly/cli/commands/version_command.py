"""``mayfly version``."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

import mayfly
from mayfly import errors
from mayfly.cli import options, talk


def run(
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    client_only: Annotated[bool, typer.Option("--client", help="Ask no cluster.")] = False,
    api_url: options.ApiUrl = None,
) -> None:
    """Print the versions of the command and of the platform.

    What cannot be reached is printed as unknown, with the cause on stderr.
    """
    found: dict[str, str | None] = {"client": mayfly.__version__}
    if not client_only:
        found |= asyncio.run(_ask(context, kubeconfig, api_url))
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(json.dumps(found, indent=2) if output is options.Format.JSON else _dump(found))
        return
    talk.give("\n".join(f"{name + ':':<12}{version or 'unknown'}" for name, version in found.items()))


async def _ask(context: str | None, kubeconfig: options.Kubeconfig, api_url: str | None) -> dict[str, str | None]:
    from mayfly.cli import rest, session  # noqa: PLC0415  (not needed with --client)

    found: dict[str, str | None] = {"server": None, "kubernetes": None}
    try:
        async with session.connect(session.Target(None, context, kubeconfig)) as current:
            found["kubernetes"] = await current.cluster.server_version()
            found["server"] = await rest.read_version(current, door=rest.Door(api_url))
    except errors.MayflyError as error:
        talk.say(f"{talk.paint('warning:', 'yellow')} {error}")
    return found


def _dump(found: dict[str, str | None]) -> str:
    from mayfly.cli import view  # noqa: PLC0415

    return view.dump(found, options.Format.YAML)
