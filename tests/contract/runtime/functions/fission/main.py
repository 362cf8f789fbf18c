from flask import Response, current_app, render_template_string, request
from ops import run

current_app.config["SHOP"] = "corner"


def main():
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    if kind == "bytes":
        return Response(value, mimetype="application/octet-stream")
    return value


def created():
    return render_template_string("created in {{ config.SHOP }}"), 201
