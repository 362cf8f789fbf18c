import json
from urllib.parse import parse_qs

import ops


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        while message["type"] == "websocket.disconnect":  # tells one who is gone, as a careless application does
            await send({"type": "websocket.send", "text": "too late"})
        await send({"type": "websocket.send", "text": message["text"].upper()})
        await send({"type": "websocket.close"})
        return
    assert scope["type"] == "http"
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            ops.mark("disconnected")
            return
        body += message["body"]
        if not message["more_body"]:
            break
    name = parse_qs(scope["query_string"].decode()).get("name", [None])[0]
    kind, value = await ops.run_async(scope["path"].strip("/"), name, body)
    status, content_type = (204, b"") if kind == "empty" else (200, b"application/octet-stream")
    if kind == "json":
        value, content_type = json.dumps(value).encode(), b"application/json"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})
    if kind == "stream":
        async for piece in value:
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
        value = b""
    await send({"type": "http.response.body", "body": value or b""})
