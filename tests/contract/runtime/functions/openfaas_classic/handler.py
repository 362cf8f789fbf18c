import json


def handle(req):
    """Handle a request: `req` is its body."""
    if req == "nothing":
        return None
    if req == "pieces":
        return (piece for piece in ("a", "b"))
    if isinstance(req, bytes):
        return req[::-1]
    return json.dumps({"got": req})


def result(event, context):
    results = {
        "/plain": {"greeting": "hi"},
        "/pairs": {"body": "x", "headers": [("X-A", "1"), ("X-A", "2")]},
        "/object": {"statusCode": 201, "body": {"a": 1}},
        "/headers-only": {"headers": {"X-B": event.headers.get("x-sent", "")}},
        "/tuple": ("gone", 410),
        "/wrong": {"statusCode": "many"},
    }
    return results[event.path]
