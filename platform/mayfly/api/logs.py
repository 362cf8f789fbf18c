"""Stream the log of a Function's instances."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from mayfly.api import access, documents, edges, functions
from mayfly.cluster import kinds, tail
from mayfly.model import labels

CONTAINER = "user-container"
"""What Knative calls the container of a Function (knative.dev/serving, pkg/apis/serving/k8s_validation.go)."""
EVENTS = "text/event-stream"
QUIET_SECONDS = 15.0
"""A comment goes out after so long without a line, so that nothing on the way takes the stream for dead."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/functions/{name}/logs", tags=["logs"])


@router.get(
    "",
    dependencies=[Depends(access.Permission("get", "log"))],
    summary="Read or follow the log of a Function",
    response_class=Response,
    responses=documents.answers(
        {
            200: {
                "description": "Lines, each after the name of its instance; as server-sent events"
                " ({instance, text}) when Accept asks for them.",
                "content": {"text/plain": {"schema": {"type": "string"}}, EVENTS: {"schema": {"type": "string"}}},
            }
        },
        404,
    ),
)
async def stream_logs(
    *,
    request: Request,
    namespace: functions.Namespace,
    name: functions.Name,
    follow: Annotated[bool, Query(description="Stay and send what comes, from new instances too.")] = False,
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
    as_events = EVENTS in request.headers.get("Accept", "")
    body = _write_events(found) if as_events else _write_text(found)
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
