import functions_framework
from cloudevents.http import CloudEvent
from ops import run


@functions_framework.cloud_event
def handle(event: CloudEvent):
    assert isinstance(event, CloudEvent)
    kind, value = run(event["type"], event["subject"] if "subject" in event else None, event.data)
    if kind == "empty":
        return None
    return CloudEvent({"type": "done", "source": "/test"}, value)
