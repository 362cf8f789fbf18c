import base64

from ops import run


def main(args):
    raw = args.get("__ow_body")
    data = base64.b64decode(raw) if raw else args
    kind, value = run(args["__ow_path"].strip("/"), args.get("name"), data)
    if kind == "empty":
        return {"statusCode": 204}
    if kind == "bytes":
        headers = {"Content-Type": "application/octet-stream"}
        return {"headers": headers, "body": base64.b64encode(value).decode()}
    return value


def echo(params: dict) -> dict:
    return params


def result(args):
    results = {
        "/html": {"headers": {"content-type": "text/html"}, "body": "<b>"},
        "/nothing": {"headers": {"x-a": "1"}},
        "/error": {"error": "no stock"},
        "/stated": {"error": {"statusCode": 409, "body": "taken"}},
        "/redirect": {"statusCode": 302, "headers": {"location": "/x"}},
        "/list": [1],
        "/text": "not a dict",
    }
    return results[args["__ow_path"]]
