import flask
import functions_framework
from ops import run


@functions_framework.http
def handle(request: flask.Request):
    if request.path == "/abort":
        flask.abort(418)
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    if kind == "bytes":
        return value, 200, {"Content-Type": "application/octet-stream"}
    return value
