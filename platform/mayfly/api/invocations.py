"""Read and steer invocations, dead letters and queues: the eventing process answers those whom the cluster lets ask.

There is no ``/v1/invocations/ID`` without a namespace: rights are a namespace's, an id does not say which one it is of,
and to look that up before it is known who may ask would tell everybody.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib import parse

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from mayfly.api import access, documents, edges, functions, intake, shapes
from mayfly.model import names

SUBRESOURCE = "invocations"
MAX_REPLAY = 4096
"""Bytes of the body of a replay."""

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["invocations"])

Id = Annotated[
    str,
    Path(
        description="Id of the invocation.",
        max_length=200,
        examples=["019a4c2e-79b0-7cc3-98c4-dc0c0c07398f"],
    ),
]
Function = Annotated[
    str | None,
    Query(
        description="Of this function only.",
        max_length=names.MAX_FUNCTION_NAME,
        pattern=functions.DNS_LABEL,
        examples=["mail"],
    ),
]
Limit = Annotated[int, Query(description="Invocations on one page.", ge=1, le=500)]
Step = Annotated[int, Query(description="Dead letters of one step.", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="cursor of the answer before.")]
Since = Annotated[
    str | None, Query(description="Accepted at or after, as in RFC 3339.", examples=["2026-11-21T06:00:00Z"])
]
Prefer = Annotated[
    str | None,
    Header(description="wait=SECONDS, at most 20: answer when it is settled (RFC 7240).", examples=["wait=20"]),
]

_SAYS = {
    400: "A parameter or the body is wrong, or not known.",
    404: "There is no such invocation in this namespace, or this installation has no events.",
    409: "The state of the invocation forbids it; detail names the state.",
    503: "The eventing process or its store cannot be reached; nothing was done.",
}


def _may(verb: str) -> Any:
    return Depends(access.Permission(verb, SUBRESOURCE))


def answers(success: documents.Answers, *statuses: int) -> documents.Answers:
    """Return the description of a route's answers in the words of this room."""
    return documents.answers(success, 404, *statuses, says=_SAYS)


def _one(description: str, model: type[shapes.Shape] = shapes.Invocation, status: int = 200) -> documents.Answers:
    return {status: {"model": model, "description": description}}


async def relay(request: Request, namespace: str, path: str, *, body: bytes = b"") -> Response:
    """Return what the eventing process answers to the same question."""
    wishes = [("prefer", value) for value in request.headers.getlist("prefer")]
    reply = await edges.of(request).relay.send(
        request.method,
        f"/v1/namespaces/{namespace}{path}",
        client=request.scope[access.CALLER],
        query=request.scope["query_string"].decode("latin-1"),
        headers=wishes,
        body=body,
    )
    return reply.to_response()


def place_of(invocation: str) -> str:
    """Return the path of an invocation below its namespace."""
    return f"/invocations/{parse.quote(invocation, safe='')}"


@router.get(
    "/invocations",
    dependencies=[_may("list")],
    summary="List invocations",
    responses=answers(_one("One page, the newest first.", shapes.InvocationList)),
)
async def list_invocations(
    *,
    request: Request,
    namespace: functions.Namespace,
    function: Function = None,
    state: Annotated[
        str | None, Query(description="In these states only, with commas.", examples=["dead", "waiting,leased"])
    ] = None,
    since: Since = None,
    until: Annotated[str | None, Query(description="Accepted before, as in RFC 3339.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return one page of what was accepted in a namespace. Needs `list` on `functions/invocations`."""
    del function, state, since, until, limit, cursor  # they go on as they were written
    return await relay(request, namespace, "/invocations")


@router.get(
    "/invocations/{invocation}",
    dependencies=[_may("get")],
    summary="Read an invocation",
    responses=answers(_one("The invocation.")),
)
async def read_invocation(
    request: Request, namespace: functions.Namespace, invocation: Id, prefer: Prefer = None
) -> Response:
    """Return one invocation as it stands, or with `Prefer: wait` as it ends. Needs `get` on `functions/invocations`."""
    del prefer
    return await relay(request, namespace, place_of(invocation))


@router.get(
    "/invocations/{invocation}/attempts",
    dependencies=[_may("get")],
    summary="List the attempts of an invocation",
    responses=answers(_one("Every attempt, in order.", shapes.AttemptList)),
)
async def list_attempts(request: Request, namespace: functions.Namespace, invocation: Id) -> Response:
    """Return every try to deliver it: when, with what status, by which revision. Needs `get` on it."""
    return await relay(request, namespace, f"{place_of(invocation)}/attempts")


@router.get(
    "/invocations/{invocation}/result",
    dependencies=[_may("get")],
    summary="Read what the function answered",
    responses=answers(
        _one("The answer that was kept.", shapes.Result)
        | _one("It is not settled yet; Retry-After says when to ask again.", status=202)
    ),
)
async def read_result(
    request: Request, namespace: functions.Namespace, invocation: Id, prefer: Prefer = None
) -> Response:
    """Return the function's answer to a call, or the last one of what was given up. Needs `get` on it.

    It stands in a document and not in the place of this answer: status and headers are the function's word, and would
    be taken for the platform's here. Callers of the function get it as it was, under the `Location` of their 202.
    """
    del prefer
    return await relay(request, namespace, f"{place_of(invocation)}/result")


@router.get(
    "/invocations/{invocation}/message",
    dependencies=[_may("get")],
    summary="Read what an invocation sends",
    responses=answers(_one("The request as the function gets it, credentials hidden.", shapes.Message)),
)
async def read_message(request: Request, namespace: functions.Namespace, invocation: Id) -> Response:
    """Return method, path, headers and body of what is delivered. Needs `get` on it."""
    return await relay(request, namespace, f"{place_of(invocation)}/message")


@router.post(
    "/invocations/{invocation}/cancel",
    dependencies=[_may("update")],
    summary="Cancel an invocation",
    responses=answers(_one("It is cancelled."), 409),
)
async def cancel_invocation(request: Request, namespace: functions.Namespace, invocation: Id) -> Response:
    """Give up what waits or is under way. Needs `update` on it.

    The function may have had it all the same: an attempt under way is cut off, not undone.
    """
    return await relay(request, namespace, f"{place_of(invocation)}/cancel")


@router.post(
    "/invocations/{invocation}/redrive",
    dependencies=[_may("update")],
    summary="Redrive a dead letter",
    responses=answers(_one("It waits again."), 409),
)
async def redrive_invocation(request: Request, namespace: functions.Namespace, invocation: Id) -> Response:
    """Have a dead invocation wait again, with all its retries and a new greatest age. Needs `update` on it."""
    return await relay(request, namespace, f"{place_of(invocation)}/redrive")


@router.post(
    "/invocations/{invocation}/replay",
    dependencies=[_may("update")],
    status_code=201,
    summary="Replay an invocation",
    responses=answers(_one("The new invocation; Location leads to it.", status=201), 409, 413),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": shapes.Replay.model_json_schema()}}}},
)
async def replay_invocation(request: Request, namespace: functions.Namespace, invocation: Id) -> Response:
    """Send the message of what is settled once more, as a new invocation. Needs `update` on it."""
    pieces = intake.read_pieces(request, limit=MAX_REPLAY, what="the body of a replay")
    return await relay(
        request, namespace, f"{place_of(invocation)}/replay", body=b"".join([one async for one in pieces])
    )


@router.get(
    "/dead-letters",
    dependencies=[_may("list")],
    summary="List dead letters",
    responses=answers(_one("One page, the newest first.", shapes.DeadLetterList)),
)
async def list_dead_letters(
    request: Request,
    namespace: functions.Namespace,
    function: Function = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return one page of what was given up, with the end of its retention. Needs `list` on `functions/invocations`."""
    del function, limit, cursor
    return await relay(request, namespace, "/dead-letters")


@router.post(
    "/dead-letters/redrive",
    dependencies=[_may("update")],
    summary="Redrive dead letters",
    responses=answers(_one("How many; with a cursor there are more.", shapes.Redriven)),
)
async def redrive_dead_letters(
    request: Request,
    namespace: functions.Namespace,
    function: Function = None,
    limit: Step = 1000,
    cursor: Cursor = None,
) -> Response:
    """Have the dead letters of a function, or of all, wait again, a step at a time. Needs `update` on them.

    Call again with `cursor` until it is null: what dies anew meanwhile is not taken twice.
    """
    del function, limit, cursor
    return await relay(request, namespace, "/dead-letters/redrive")


@router.delete(
    "/dead-letters",
    dependencies=[_may("delete")],
    summary="Purge dead letters",
    responses=answers(_one("How many; with a cursor there are more.", shapes.Purged)),
)
async def purge_dead_letters(
    request: Request,
    namespace: functions.Namespace,
    function: Function = None,
    limit: Step = 1000,
    cursor: Cursor = None,
) -> Response:
    """Delete the dead letters of a function, or of all, a step at a time. Needs `delete` on `functions/invocations`.

    Call again with `cursor` until it is null: what dies meanwhile stays.
    """
    del function, limit, cursor
    return await relay(request, namespace, "/dead-letters")


@router.get(
    "/queues",
    dependencies=[_may("list")],
    summary="Show what waits, by function",
    responses=answers(_one("The books of every function.", shapes.QueueList)),
)
async def list_queues(request: Request, namespace: functions.Namespace) -> Response:
    """Return how many invocations of each function stand where, and how late they are. Needs `list` on them."""
    return await relay(request, namespace, "/queues")
