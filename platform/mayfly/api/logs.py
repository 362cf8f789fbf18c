"""Stream the log of a Function's instances, or what they wrote about one invocation."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from mayfly.api import access, documents, edges, functions, invocations
from mayfly.cluster import kinds, tail
from mayfly.model import labels

CONTAINER = "user-container"
"""What Knative calls the container of a Function (knative.dev/serving, pkg/apis/serving/k8s_validation.go)."""
EVENTS = "text/event-stream"
QUIET_SECONDS = 15.0
"""A comment goes out after so long without a line, so that nothing on the way takes the stream for dead."""

CLOCK_SECONDS = 5
"""How far the clocks of a node and of the eventing process may be apart."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/functions/{name}/logs", tags=["logs"])
invocation_router = APIRouter(
    prefix="/v1/namespaces/{namespace}/invocations/{invocation}/logs", tags=["logs", "invocations"]
)

Follow = Annotated[bool, Query(description="Stay and send what comes, from new instances too.")]
_LINES: documents.Answers = {
    200: {
        "description": "Lines, each after the name of its instance; as server-sent events"
        " ({instance, text}) when Accept asks for them.",
        "content": {"text/plain": {"schema": {"type": "string"}}, EVENTS: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "",
    dependencies=[Depends(access.Permission("get", "log"))],
    summary="Read or follow the log of a Function",
    response_class=Response,
    responses=documents.answers(_LINES, 404),
)
async def stream_logs(
    *,
    request: Request,
    namespace: functions.Namespace,
    name: functions.Name,
    follow: Follow = False,
    last: Annotated[int | None, Query(alias="tail", description="Last lines of each instance.", ge=0, le=10000)] = None,
    since: Annotated[int | None, Query(description="Lines of the last so many seconds.", ge=1)] = None,
) -> Response:
    """Stream the log of every instance. Needs `get` on `functions/log` (group `mayfly.dev`) in the namespace."""
    cluster = edges.of(request).cluster
    await cluster.get(kinds.FUNCTION, namespace, name)
    found = tail.tail(
        cluster,
        namespace=namespace,
        selector=labels.function_selector(name),
        container=CONTAINER,
        follow=follow,
        last=last,
        since_seconds=since,
    )
    return _answer(request, found)


@invocation_router.get(
    "",
    dependencies=[
        Depends(access.Permission("get", invocations.SUBRESOURCE)),
        Depends(access.Permission("get", "log")),
    ],
    summary="Read what the instances wrote about an invocation",
    response_class=Response,
    responses=invocations.answers(_LINES),
)
async def stream_invocation_logs(
    request: Request, namespace: functions.Namespace, invocation: invocations.Id, follow: Follow = False
) -> Response:
    """Stream the lines that the Function's instances wrote while they worked on it, over all attempts.

    They are found by `request_id`, which Mayfly's runtime puts into each line, among what the instances that are still
    there have written since it was accepted. Needs `get` on `functions/invocations` and on `functions/log`.
    """
    reply = await edges.of(request).relay.send(
        "GET",
        f"/v1/namespaces/{namespace}{invocations.place_of(invocation)}",
        client=request.scope[access.CALLER],
    )
    if reply.status != http.HTTPStatus.OK:
        return reply.to_response()
    accepted = dt.datetime.fromisoformat(reply.document["accepted"])
    age = (dt.datetime.now(dt.UTC) - accepted).total_seconds()
    found = tail.tail(
        edges.of(request).cluster,
        namespace=namespace,
        selector=labels.function_selector(reply.document["function"]),
        container=CONTAINER,
        follow=follow,
        since_seconds=max(1, math.ceil(age) + CLOCK_SECONDS),
    )
    return _answer(request, choose(found, reply.document["id"]))


async def choose(lines: AsyncGenerator[tail.Line, None], request_id: str) -> AsyncGenerator[tail.Line, None]:
    """Give the lines that the runtime wrote for one request."""
    async with contextlib.aclosing(lines):
        async for line in lines:
            if request_id in line.text and read_request_id(line.text) == request_id:
                yield line


def read_request_id(text: str) -> str | None:
    """Return ``request_id`` of a log line; ``None``: it has none, or is none of the runtime's. Pure."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = document.get("request_id") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None


def _answer(request: Request, lines: AsyncIterator[tail.Line]) -> Response:
    as_events = EVENTS in request.headers.get("Accept", "")
    body = _write_events(lines) if as_events else _write_text(lines)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body, media_type=EVENTS if as_events else "text/plain", headers=headers)


async def _write_text(found: AsyncIterator[tail.Line]) -> AsyncIterator[str]:
    async for line in found:
        yield f"{line.pod} {line.text}\n"


async def _write_events(found: AsyncIterator[tail.Line]) -> AsyncIterator[str]:
    """Give each line as one event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    waiting: asyncio.Task[tail.Line] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(_next(found))
            done, _ = await asyncio.wait({waiting}, timeout=QUIET_SECONDS)
            if not done:
                yield ": nothing new\n\n"
                continue
            try:
                line = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield f"data: {json.dumps({'instance': line.pod, 'text': line.text}, ensure_ascii=False)}\n\n"
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await waiting


async def _next(found: AsyncIterator[tail.Line]) -> tail.Line:
    return await anext(found)
