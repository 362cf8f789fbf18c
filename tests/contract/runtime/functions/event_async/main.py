from ops import run_async


async def handle(event):
    kind, value = await run_async(event["type"], event.get("subject"), event.data)
    if kind == "empty":
        return None
    return {"type": "done", "source": "/test", "subject": event.get("subject"), "data": value}
