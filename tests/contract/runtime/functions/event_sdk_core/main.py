from cloudevents.core.v1.event import CloudEvent
from ops import run


def handle(event: CloudEvent) -> CloudEvent | None:
    assert isinstance(event, CloudEvent)
    kind, value = run(event.get_type(), event.get_subject(), event.get_data())
    if kind == "empty":
        return None
    return CloudEvent({"type": "done", "source": "/test", "seentime": str(event.get_time())}, value)
