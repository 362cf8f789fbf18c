from ops import run


def handle(event):
    kind, value = run(event["type"], event.get("subject"), event.data)
    if kind == "empty":
        return None
    return {"type": "done", "source": "/test", "subject": event.get("subject"), "data": value}
