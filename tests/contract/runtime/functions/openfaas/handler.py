from ops import run


def handle(event, context):
    assert context.hostname
    kind, value = run(event.path.strip("/"), event.query.get("name"), event.body)
    if kind == "empty":
        return {"statusCode": 204}
    headers = {"Content-Type": "application/octet-stream"} if kind == "bytes" else {}
    return {"statusCode": 200, "body": value, "headers": headers}
