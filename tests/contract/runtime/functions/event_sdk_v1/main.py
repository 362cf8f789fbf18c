from cloudevents.v1.http import CloudEvent
from ops import run


def handle(event):
    assert isinstance(event, CloudEvent)
    kind, value = run(event["type"], event.get("subject"), event.data)
    if kind == "empty":
        return None
    return CloudEvent({"type": "done", "source": "/test"}, value)
