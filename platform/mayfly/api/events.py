"""Take CloudEvents for the functions of a namespace, and pass them on byte for byte."""

from __future__ import annotations

import contextlib
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from mayfly.api import access, documents, edges, functions, intake, invocations, shapes, source
from mayfly.events import limits

MAX_BODY = limits.DEFAULT.batch_bytes
SMALL_BODY = 64 * 1024
"""Bytes; smaller requests are not counted, the number of connections bounds them."""
LARGE = 16
"""Larger requests at once in one process: they are held in memory until they are stored."""
PASSED_ON = ("content-type", "traceparent", "tracestate")
"""Headers that go on besides the attributes; credentials among the others are for this interface alone."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/events", tags=["events"])
places = source.Places(LARGE, what="large requests")

_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in the JSON format.",
    "required": ["specversion", "id", "source", "type"],
    "examples": [
        {
            "specversion": "1.0",
            "id": "o-4711",
            "source": "/shop/orders",
            "type": "com.shop.order.created",
            "datacontenttype": "application/json",
            "data": {"order": "o-4711"},
        }
    ],
}
_BODIES: dict[str, dict[str, Any]] = {
    "application/cloudevents+json": _EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": _EVENT, "maxItems": limits.DEFAULT.batch_events},
    "*/*": {"description": "Binary mode: the data of one event; its attributes are headers that begin with ce-."},
}


@router.post(
    "",
    dependencies=[Depends(access.Permission("create", "events"))],
    status_code=202,
    summary="Send events",
    responses=invocations.answers(
        {202: {"model": shapes.Accepted, "description": "Every delivery is stored, durably."}}, 408, 413, 415, 429
    ),
    openapi_extra=documents.body_of(_BODIES, "One CloudEvent, or a batch; it reaches the functions as it is."),
)
async def send_events(request: Request, namespace: functions.Namespace) -> Response:
    """Store events for every function of the namespace of which a trigger wants them.

    Needs `create` on `functions/events` (group `mayfly.dev`) in the namespace. An event is known by `source` and `id`:
    sent again it is delivered once.
    """
    with places.take() if is_large(request.headers.get("Content-Length")) else contextlib.nullcontext():
        pieces = intake.read_pieces(request, limit=MAX_BODY, what="the request")
        body = b"".join([one async for one in pieces])
        reply = await edges.of(request).relay.send(
            "POST",
            f"/v1/namespaces/{namespace}/events",
            client=request.scope[access.CALLER],
            headers=choose_headers(request),
            body=body,
        )
    return reply.to_response()


def is_large(announced: str | None) -> bool:
    """Tell whether a body of this ``Content-Length`` is to be counted; one of unknown length is."""
    return announced is None or not announced.isdecimal() or int(announced) > SMALL_BODY


def choose_headers(request: Request) -> list[tuple[str, str]]:
    """Return the headers that belong to the events, in order and as often as they came."""
    return [(name, value) for name, value in request.headers.items() if name in PASSED_ON or name.startswith("ce-")]
