"""Who answers a request, who may ask, and what becomes of errors; the server library is not needed for that."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from mayfly import errors
from mayfly.eventing import web
from mayfly.eventing.reception import app, asgi
from mayfly.model import handover

TOKEN = "internal-token"
WITH_TOKEN = (handover.TOKEN, TOKEN)


def make_handler(name):
    async def answer(request):
        return web.make_json({"handler": name, "method": request.method, "body": len(request.body)})

    return answer


def make_app(token=lambda: TOKEN, **changes):
    handlers = {name: make_handler(name) for name in ("events", "calls", "reads", "management")}
    return app.App(token=token, **(handlers | changes))


class Peer:
    """Both ends of one request."""

    def __init__(self, pieces=(b"",), then=None):
        count = len(pieces)
        self.messages = [
            {"type": "http.request", "body": piece, "more_body": place < count or then is not None}
            for place, piece in enumerate(pieces, 1)
        ]
        self.then = then
        self.sent = []

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        if self.then is None:
            await asyncio.get_running_loop().create_future()
        return self.then

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def document(self):
        return json.loads(self.sent[1]["body"])


async def ask(served, path, *headers, method="POST", query="", peer=None):
    peer = peer or Peer()
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    await served(scope, peer.receive, peer.send)
    return peer


@pytest.mark.parametrize(
    ("path", "headers", "handler"),
    [
        ("/events", [], "events"),
        ("/events/shop", [], "events"),
        ("/v1/namespaces/shop/events", [], "events"),
        ("/v1/namespaces/shop/events", [WITH_TOKEN], "events"),
        ("/v1/namespaces/shop/invocations", [WITH_TOKEN], "management"),
        ("/v1/namespaces/Shop/events", [WITH_TOKEN], "management"),
        ("/v1/", [WITH_TOKEN], "management"),
        ("/anything", [WITH_TOKEN, (handover.ASYNC, "call")], "calls"),
        ("/async-function/mail", [WITH_TOKEN, (handover.ASYNC, "alias")], "calls"),
        ("/invocations/1", [WITH_TOKEN, (handover.ASYNC, "read")], "reads"),
        # A function may have any path: what the gateway marked is a call, wherever it points.
        ("/events/shop", [WITH_TOKEN, (handover.ASYNC, "call")], "calls"),
        ("/v1/namespaces/shop/events", [WITH_TOKEN, (handover.ASYNC, "call")], "calls"),
        ("/v1/namespaces/shop/invocations", [WITH_TOKEN, (handover.ASYNC, "read")], "reads"),
    ],
)
async def test_each_request_gets_to_its_handler(path, headers, handler):
    peer = await ask(make_app(), path, *headers)
    assert (peer.status, peer.document["handler"]) == (200, handler)
    assert peer.headers["content-length"] == str(len(peer.sent[1]["body"]))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", []),
        ("/healthz", []),
        ("/metrics", []),
        ("/events/", []),
        ("/events/Shop", []),
        ("/events/shop/more", []),
        ("/events/-shop", []),
        ("/events/%73hop", []),
        ("/events/" + "a" * 64, []),
        ("//events", []),
        ("/v1", [WITH_TOKEN]),
        ("/events", [WITH_TOKEN, (handover.ASYNC, "")]),
        ("/events", [WITH_TOKEN, (handover.ASYNC, "later")]),
        ("/v1/namespaces/shop/invocations", [WITH_TOKEN, (handover.ASYNC, "other")]),
    ],
)
async def test_there_is_nothing_else(path, headers):
    peer = await ask(make_app(), path, *headers)
    assert (peer.status, peer.document["reason"]) == (404, "NotFound")


GUARDED = [
    ("/v1/namespaces/shop/invocations", []),
    ("/v1/anything", []),
    ("/x", [(handover.ASYNC, "call")]),
    ("/x", [(handover.ASYNC, "alias")]),
    ("/x", [(handover.ASYNC, "read")]),
    ("/events", [(handover.ASYNC, "anything")]),
]


def fail():
    raise PermissionError("no such file")


@pytest.mark.parametrize(("path", "headers"), GUARDED)
@pytest.mark.parametrize(
    ("own", "shown"),
    [
        (lambda: TOKEN, None),
        (lambda: TOKEN, ""),
        (lambda: TOKEN, TOKEN[:-1]),
        (lambda: TOKEN, f"{TOKEN}x"),
        (lambda: TOKEN, "\xe9"),
        (lambda: "", ""),
        (lambda: "", None),
        (lambda: "", TOKEN),
        (fail, TOKEN),
        (fail, ""),
    ],
    ids=["none", "empty", "short", "long", "not ASCII", "no own: empty", "no own: none", "no own: any", "fails", "f."],
)
async def test_without_the_token_nobody_gets_in(path, headers, own, shown):
    """Closed as well when there is no token of our own, or it cannot be read."""
    given = [] if shown is None else [(handover.TOKEN, shown)]
    peer = await ask(make_app(token=own), path, *headers, *given)
    assert (peer.status, peer.document["reason"]) == (401, "Unauthorized")
    assert peer.headers["www-authenticate"] == 'Bearer realm="mayfly"'


async def test_errors_are_problems_and_show_nothing_of_the_inside(caplog):
    async def break_down(request):
        raise RuntimeError("secret detail")

    peer = await ask(make_app(events=break_down), "/events", ("x-request-id", "r-1"))
    assert (peer.status, peer.document["reason"]) == (500, "InternalError")
    assert "secret" not in peer.sent[1]["body"].decode()
    (record,) = caplog.records
    assert (record.levelno, record.request_id) == (logging.ERROR, "r-1")
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (errors.InvalidEvent("bad"), 400, False),
        (errors.StoreUnavailable("full"), 503, False),
        (errors.StoreCorrupt("broken"), 500, True),
    ],
    ids=str,
)
async def test_what_is_ours_to_mend_is_logged(caplog, error, status, logged):
    async def refuse(request):
        raise error

    peer = await ask(make_app(events=refuse), "/events")
    assert (peer.status, bool(caplog.records)) == (status, logged)


async def test_a_body_in_pieces_is_whole():
    peer = await ask(make_app(), "/events", peer=Peer([b"a" * 70_000, b"", b"b" * 70_000]))
    assert peer.document["body"] == 140_000


async def test_who_hangs_up_is_not_answered_and_not_handled():
    """An abort is never the end of a body: half an event is no event."""
    handled = []

    async def take(request):
        handled.append(request)

    served = make_app(events=take)
    peer = await ask(served, "/events", peer=Peer([b"half"], then={"type": "http.disconnect"}))
    assert (peer.sent, handled) == ([], [])


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [([("content-length", "101")], [b""]), ([], [b"a" * 60, b"a" * 60])],
    ids=["announced", "found"],
)
async def test_a_body_out_of_bounds_is_refused(headers, pieces):
    peer = await ask(make_app(bounds=asgi.Bounds(body_bytes=100)), "/events", *headers, peer=Peer(pieces))
    assert (peer.status, peer.document["reason"]) == (413, "TooLarge")
    assert peer.headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_not_waited_for():
    peer = Peer([b"half"])
    peer.messages[0]["more_body"] = True
    peer = await ask(make_app(bounds=asgi.Bounds(body_seconds=0.01)), "/events", peer=peer)
    assert (peer.status, peer.headers["connection"]) == (408, "close")


async def test_large_bodies_share_a_bounded_memory():
    """While one large request is under way the next is put off; small ones are not, and room comes back."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold(request):
        if len(request.body) > 100:
            entered.set()
            await leave.wait()
        return web.make_json({})

    served = make_app(events=hold, bounds=asgi.Bounds(small_bytes=100, large_bytes=1000))
    first = asyncio.create_task(ask(served, "/events", peer=Peer([b"a" * 600])))
    await entered.wait()
    assert (await ask(served, "/events", peer=Peer([b"a" * 100]))).status == 200
    second = await ask(served, "/events", peer=Peer([b"a" * 300, b"a" * 300]))
    assert (second.status, second.document["reason"], second.headers["retry-after"]) == (503, "Busy", "2")
    leave.set()
    assert (await first).status == 200
    assert (await ask(served, "/events", peer=Peer([b"a" * 1000]))).status == 200


async def test_only_http_is_served():
    with pytest.raises(ValueError, match="lifespan"):
        await make_app()({"type": "lifespan"}, None, None)
