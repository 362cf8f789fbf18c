"""Call a function asynchronously, and fetch the answer later, with nothing but what its callers may."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from urllib import parse

import aiohttp

from mayfly.cli import exchange, exits, invocations, session, talk
from mayfly.model import handover

CALL_HEADERS = frozenset({"content-type", "idempotency-key", "prefer"})
"""Headers, in lower case, that belong to a call and not to who calls."""
_ACCEPTED = 202


@dataclasses.dataclass(frozen=True)
class Accepted:
    """A call that is on the disk: its id, and the path below the function's host where its outcome is found."""

    identity: str
    path: str


async def invoke(
    target: session.Target, name: str, request: exchange.Request, *, include: bool, wait: bool, seconds: float
) -> int:
    """Send ``request`` to be carried out later and return the exit code.

    The id goes to stdout, or with ``wait`` the answer once it is there.

    Raises:
        exits.Failed: the function has no URL, or none that is reachable from here.
        exits.TimedOut: it was not accepted, or with ``wait`` not answered, within ``seconds``.
        errors.Unreachable: the gateway did not answer.
    """
    place = await exchange.find_place(target, name)
    began = time.perf_counter()
    accepted = None
    try:
        async with asyncio.timeout(seconds):
            asked = dataclasses.replace(request, headers=(*request.headers, ("Prefer", "respond-async")))
            async with exchange.send(place, asked) as response:
                accepted = read_accepted(response, asked.path)
                if accepted is None:
                    return await _copy_at_once(response, name=name, include=include, began=began)
            if wait:
                question = make_question(accepted, request)
                return await _fetch(place, question, seconds=seconds, name=name, include=include, began=began)
    except TimeoutError:
        raise exits.TimedOut(_describe_wait(name, accepted, seconds)) from None
    talk.give(accepted.identity)
    talk.say(f"accepted; its answer: mayfly invocations result {accepted.identity} --wait")
    return exits.OK


def read_accepted(response: aiohttp.ClientResponse, path: str) -> Accepted | None:
    """Return what was accepted; ``None``: this is the answer itself."""
    place = parse.urlsplit(parse.urljoin(path, response.headers.get("Location", ""))).path
    identity = place.rpartition("/")[2]
    if response.status != _ACCEPTED or not invocations.ID.fullmatch(identity):
        return None
    return Accepted(identity, place)


async def _copy_at_once(response: aiohttp.ClientResponse, *, name: str, include: bool, began: float) -> int:
    code = await exchange.copy(response, name=name, include=include, began=began)
    if code == exits.OK:
        talk.say(
            f"{name} answered at once: it takes no asynchronous calls (spec.http.async), or this installation has no"
            " events"
        )
    return code


def make_question(accepted: Accepted, request: exchange.Request) -> exchange.Request:
    """Return the request for the answer to a call, with the headers by which the route knows its caller. Pure."""
    own = [
        (name, value)
        for name, value in request.headers
        if name.lower() not in CALL_HEADERS and not name.lower().startswith("ce-")
    ]
    return exchange.Request("GET", f"{accepted.path}/result", tuple(own), None)


async def _fetch(
    place: exchange.Place, question: exchange.Request, *, seconds: float, name: str, include: bool, began: float
) -> int:
    """Copy the answer once it is there."""
    talk.say(f"accepted as {question.path.split('/')[-2]}; waiting for its answer")
    while True:
        asked = time.perf_counter()
        patience = max(1, min(invocations.PATIENCE_SECONDS, round(seconds - (asked - began))))
        wish = ("Prefer", f"wait={patience}")
        async with exchange.send(place, dataclasses.replace(question, headers=(*question.headers, wish))) as response:
            # A function may answer 202 itself; its answers carry the id.
            if response.status != _ACCEPTED or handover.INVOCATION_ID in response.headers:
                return await exchange.copy(response, name=name, include=include, began=began)
        await asyncio.sleep(max(0.0, invocations.PAUSE_SECONDS - (time.perf_counter() - asked)))


def _describe_wait(name: str, accepted: Accepted | None, seconds: float) -> str:
    if accepted is None:
        return f"{name} accepted nothing within {seconds:g} s; --timeout waits longer"
    return (
        f"{name} gave no answer within {seconds:g} s; it goes on without this command:"
        f" mayfly invocations result {accepted.identity} --wait"
    )
