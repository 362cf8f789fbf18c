import json

from cloudevents.core.v1.event import CloudEvent
from ops import run_async


async def handle(scope, receive, send):
    event = scope["event"]
    if event.get_type() == "shape":
        await send(CloudEvent({"type": "shaped", "source": "/test", "id": "r-1"}, {"class": type(event).__module__}))
        return
    kind, value = await run_async(event.get_type(), event.get_subject(), event.get_data())
    if kind == "empty":
        return
    data_type = "application/octet-stream" if kind == "bytes" else "application/json"
    attributes = {"type": "done", "source": "/test", "id": "r-2", "datacontenttype": data_type}
    await send.binary(CloudEvent(attributes, value))
