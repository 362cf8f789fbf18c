from flask import Response, request
from ops import run


def main():
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    if kind == "bytes":
        return Response(value, mimetype="application/octet-stream")
    return value


def created():
    return "created", 201
