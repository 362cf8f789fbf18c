"""A function as `func create` lays it out: `new` makes the object whose `handle` speaks ASGI."""

import json
from urllib.parse import parse_qs

from ops import mark, run_async


def new():
    return Function()


class Function:
    def __init__(self):
        self.started_with = None
        self.well = True

    async def handle(self, scope, receive, send):
        op = scope["path"].strip("/")
        name = parse_qs(scope["query_string"].decode()).get("name", [None])[0]
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                mark("disconnected")
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if op == "config":
            await self.reply(send, "json", self.started_with)
            return
        if op == "sicken":
            self.well = False
            op = "empty"
        await self.reply(send, *await run_async(op, name, body))

    async def reply(self, send, kind, value):
        content = {"json": b"application/json", "bytes": b"application/octet-stream"}.get(kind, b"text/plain")
        status = 204 if kind == "empty" else 200
        headers = [] if kind == "empty" else [(b"content-type", content)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if kind == "stream":
            async for piece in value:
                await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
            value = b""
        body = json.dumps(value).encode() if kind == "json" else value or b""
        await send({"type": "http.response.body", "body": body})

    def start(self, cfg):
        self.started_with = {"case": cfg["MAYFLY_FUNCTION"]}

    def stop(self):
        mark("stopped")

    def alive(self):
        return self.well, "I am alive" if self.well else "I am not well"

    async def ready(self):
        return self.well
