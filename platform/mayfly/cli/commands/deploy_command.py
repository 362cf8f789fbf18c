"""``mayfly deploy``."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Annotated

import typer

from mayfly.cli import deployment, exits, manifest, options, rest, session
from mayfly.model import build


def run(
    *,
    folder: Annotated[
        pathlib.Path | None, typer.Argument(metavar="DIR", help="Folder with the code.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", metavar="FILE", help="Manifest to deploy, alone or for the folder; - is stdin."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name. Default: that in function.yaml, else the folder's."),
    ] = None,
    handler: Annotated[str | None, typer.Option("--handler", metavar="MODULE:NAME", help="spec.handler.")] = None,
    signature: Annotated[
        str | None,
        typer.Option("--signature", metavar="KIND", help=f"spec.signature: {', '.join(build.Signature)}."),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="NAME=VALUE", help="Set a variable; may be repeated.")
    ] = None,
    minimum: Annotated[int | None, typer.Option("--min", metavar="N", min=0, help="spec.scaling.min.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", metavar="N", min=0, help="spec.scaling.max.")] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", min=0, help="spec.scaling.concurrency.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="DURATION", help="spec.timeout: longest time for one request.")
    ] = None,
    memory: Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="spec.resources.memory.")] = None,
    cpu: Annotated[str | None, typer.Option("--cpu", metavar="AMOUNT", help="spec.resources.cpu.")] = None,
    visibility: Annotated[
        str | None, typer.Option("--visibility", metavar="KIND", help="spec.http.visibility: public, cluster-local.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until it serves.")] = True,
    wait_timeout: Annotated[
        str, typer.Option("--wait-timeout", metavar="DURATION", help="Follow at most so long; then exit code 124.")
    ] = "5m",
    dry_run: Annotated[
        deployment.DryRun, typer.Option("--dry-run", help="client: print the manifest; server: have it checked too.")
    ] = deployment.DryRun.NONE,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Build a folder or a manifest, run it, print its URL.

    The folder is packed without what .mayflyignore lists, uploaded and built in the cluster; its function.yaml, or FILE
    where one is given, has the rest of the spec, options override it. A changed option alone builds nothing. The URL
    goes to stdout.
    """
    if folder is None and file is None:
        raise exits.WrongUsage("name a folder, as in `mayfly deploy hello`, or a manifest with -f FILE, or both")
    overrides = manifest.Overrides(
        handler=handler,
        signature=signature,
        env=tuple(env or ()),
        min=minimum,
        max=maximum,
        concurrency=concurrency,
        timeout=timeout,
        memory=memory,
        cpu=cpu,
        visibility=visibility,
    )
    plan = deployment.Plan(
        folder=folder,
        file=file,
        name=name,
        overrides=overrides,
        wait_seconds=deployment.parse_seconds("--wait-timeout", wait_timeout) if wait else None,
        dry_run=dry_run,
        output=output,
        door=rest.Door(api_url, token),
        kubeconfig=kubeconfig,
    )
    asyncio.run(deployment.deploy(session.Target(namespace, context, kubeconfig), plan))
