import flask
import ops

app = flask.Flask(__name__)


@app.route("/<op>", methods=["GET", "POST"])
def route(op):
    kind, value = ops.run(op, flask.request.args.get("name"), flask.request.get_data())
    if kind == "empty":
        return "", 204
    if kind == "bytes":
        return value, {"Content-Type": "application/octet-stream"}
    return value
