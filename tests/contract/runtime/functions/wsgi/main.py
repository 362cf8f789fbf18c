import json
from urllib.parse import parse_qs

import ops


def app(environ, start_response):
    name = parse_qs(environ["QUERY_STRING"]).get("name", [None])[0]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    kind, value = ops.run(environ["PATH_INFO"].strip("/"), name, body)
    if kind == "empty":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Content-Type", "application/json" if kind == "json" else "application/octet-stream")])
    if kind == "json":
        return [json.dumps(value).encode()]
    return (piece.encode() for piece in value) if kind == "stream" else [value]
