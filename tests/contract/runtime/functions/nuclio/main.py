from ops import run


def init_context(context):
    context.user_data.run = run


def handle(context, event):
    body = event.body
    kind, value = context.user_data.run(event.path.strip("/"), event.fields.get("name"), body)
    if kind == "empty":
        return context.Response(status_code=204)
    if kind == "bytes":
        return context.Response(body=value, content_type="application/octet-stream")
    return value
