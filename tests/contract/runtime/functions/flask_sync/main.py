import flask
from ops import run


def handle(request):
    assert isinstance(request, flask.Request)
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    match kind:
        case "json":
            return flask.jsonify(value)
        case "bytes":
            return flask.Response(value, mimetype="application/octet-stream")
    return value
