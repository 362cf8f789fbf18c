import nuclio_sdk


async def init_context(context):
    context.user_data.greeting = "hi"


async def show(context, event):
    context.logger.info_with("shown", name="zoe", place=7)
    context.logger.debug_with("older", "street", "main", "number", 7)
    context.logger.warn("at %s", event.path)
    assert context.Response is nuclio_sdk.Response
    return {
        "greeting": context.user_data.greeting,
        "body": event.body,
        "id": event.id,
        "type": event.type,
        "trigger": event.trigger.kind,
        "agent": event.get_header("user-AGENT"),
        "content": event.content_type,
        "year": event.timestamp.year,
    }


def result(context, event):
    results = {
        "/pair": (201, "made"),
        "/json-pair": (202, {"a": 1}),
        "/response": context.Response(headers={"X-A": "1"}, body="<b>", content_type="text/html", status_code=203),
        "/object": context.Response(body={"a": 1}),
        "/pieces": context.Response(body=(piece for piece in ("a", "b")), content_type="text/csv"),
        "/bytes": b"\x00",
    }
    return results[event.path]
