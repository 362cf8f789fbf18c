"""``mayfly events send``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mayfly.cli import options, rest, sending, session, talk, view


def run(
    *,
    kind: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="Type, such as com.shop.order.created.", show_default=False)
    ] = None,
    stdin: Annotated[
        str | None, typer.Argument(metavar="-", help="A single - reads the data from stdin.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option("--source", metavar="URI", help="What it happened in.")] = sending.SOURCE,
    subject: Annotated[str | None, typer.Option("--subject", metavar="TEXT", help="What it is about.")] = None,
    identity: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Its id; sent again with the same source it is delivered once."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="DATA", help="Data; @FILE reads a file, @- stdin.")
    ] = None,
    data_file: Annotated[
        str | None, typer.Option("--data-file", metavar="FILE", help="File with the data; - is stdin.")
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option("--content-type", metavar="TYPE", help="Media type of the data. Default: what it looks like."),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attr", "-a", metavar="NAME=VALUE", help="Further attribute; may be repeated."),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE", help="Send this event, or batch of events, in JSON; - is stdin."),
    ] = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Send an event to every function that wants it.

    Those of the namespace with a trigger for it. Prints the deliveries, which are on the disk then; what became of one
    says `mayfly invocations get ID`. An event is checked before it is sent.
    """
    given = sending.Given(
        kind=kind,
        stdin=stdin,
        source=source,
        subject=subject,
        identity=identity,
        data=data,
        data_file=data_file,
        content_type=content_type,
        attributes=tuple(attribute or ()),
        file=file,
    )
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_send(target, rest.Door(api_url, token), sending.make_request(given), output))


async def _send(target: session.Target, door: rest.Door, request: sending.Request, output: options.Format) -> None:
    async with rest.connect(target, door) as api:
        reply = await api.ask("POST", "/events", headers=dict(request.headers), body=request.body)
        namespace = api.current.namespace
    accepted = reply.document
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump({"id": request.identity, **accepted}, output))
    elif output is options.Format.NAME:
        for one in accepted["deliveries"]:
            talk.give(one["id"])
    else:
        give(accepted)
    what = f"event {request.identity}" if request.identity else f"{accepted['events']} events"
    number = len(accepted["deliveries"])
    if number == 0:
        talk.say(
            f"{what}: taken, and nobody in namespace {namespace} wants it; give a function a trigger for it"
            " (spec.triggers), or choose another namespace with -n"
        )
        return
    talk.say(f"{what}: {number} deliver{'ies' if number != 1 else 'y'}")


def give(accepted: dict[str, list[dict[str, str]]]) -> None:
    """Print the deliveries."""
    rows = [
        (one["id"], one["function"], "sent before" if one["duplicate"] else "new") for one in accepted["deliveries"]
    ]
    if rows:
        talk.give(view.align([("INVOCATION", "FUNCTION", "NOTE"), *rows]))
