"""``mayfly events tail``."""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
import json
from typing import Annotated, Any

import typer

from mayfly import errors
from mayfly.cli import invocations, ledger, options, rest, session, talk

PAUSE_SECONDS = 1.0
"""Between two looks."""
OVERLAP_SECONDS = 10.0
"""How much later than its id says an invocation may come into the list: clocks of replicas, and a commit's length."""
REMEMBERED = 10_000
"""Ids that are known to have been printed."""


def run(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and print what comes.")] = False,
    function: options.OfFunction = None,
    last: Annotated[int, typer.Option("--tail", metavar="N", min=0, max=500, help="Begin with the last N.")] = 10,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
    api_url: options.ApiUrl = None,
    token: options.Token = None,
) -> None:
    """Print the newest invocations, a line each.

    Time, id, kind, state at that moment, function. With -o json each line is a document.
    """
    target = session.Target(namespace, context, kubeconfig)
    asyncio.run(_tail(target, rest.Door(api_url, token), function=function, last=last, follow=follow, output=output))


async def _tail(
    target: session.Target,
    door: rest.Door,
    *,
    function: str | None,
    last: int,
    follow: bool,
    output: options.Format,
) -> None:
    seen = Seen()
    async with rest.connect(target, door) as api:
        found = await invocations.list_all(api, "/invocations", limit=max(last, 1), conditions={"function": function})
        give(seen.choose(found[:last]), output)
        if not found and not follow:
            talk.say(f"No invocations in namespace {api.current.namespace}; -f waits for the next one")
        # Instants are taken from what the platform says: the clock here may be wrong.
        newest = max((one["accepted"] for one in found), default=None)
        if follow and found:
            # What came just before is not new, even where it was not asked for.
            seen.choose([one for one in await _look(api, function, newest) if one["id"] <= found[0]["id"]])
        while follow:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                fresh = seen.choose(await _look(api, function, newest))
            except errors.Unreachable as error:
                # Upgrades and restarts pass; what comes meanwhile is in the next look.
                talk.say(f"{talk.paint('waiting:', 'yellow')} {error}")
                continue
            give(fresh, output)
            newest = max([*filter(None, [newest]), *(one["accepted"] for one in fresh)], default=None)


async def _look(api: rest.Api, function: str | None, newest: str | None) -> list[dict[str, Any]]:
    """Return what was accepted since shortly before ``newest``; ``None``: there was nothing yet."""
    since = None
    if newest is not None:
        begin = dt.datetime.fromisoformat(newest) - dt.timedelta(seconds=OVERLAP_SECONDS)
        since = begin.isoformat().replace("+00:00", "Z")
    return await invocations.list_all(
        api, "/invocations", limit=None, conditions={"function": function, "since": since}
    )


class Seen:
    """The ids of what was printed, as many as a look can bring again."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._ids: collections.OrderedDict[str, None] = collections.OrderedDict()

    def choose(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what was not given before, the oldest first."""
        fresh = [one for one in reversed(found) if one["id"] not in self._ids]
        self._ids.update(dict.fromkeys(one["id"] for one in fresh))
        while len(self._ids) > max(self._most, len(found)):
            self._ids.popitem(last=False)
        return fresh


def give(found: list[dict[str, Any]], output: options.Format) -> None:
    """Print invocations, a line each."""
    for one in found:
        match output:
            case options.Format.JSON | options.Format.YAML:
                talk.give(json.dumps(one, ensure_ascii=False))
            case options.Format.NAME:
                talk.give(one["id"])
            case _:
                talk.give(ledger.render_line(one))
