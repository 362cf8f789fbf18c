import os

import ops


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.environ.get("LIFESPAN") == "fail":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        scope["state"]["word"] = "kept"
        ops.mark("started")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        ops.mark("stopped")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["state"]["word"].encode()})
