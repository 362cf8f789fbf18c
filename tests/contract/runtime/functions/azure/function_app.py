import json

import azure.functions as func
from ops import run

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="{op}")
def handle(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    assert context.invocation_id
    kind, value = run(req.route_params["op"], req.params.get("name"), req.get_body())
    if kind == "empty":
        return func.HttpResponse(status_code=204)
    if kind == "bytes":
        return func.HttpResponse(value, mimetype="application/octet-stream")
    return func.HttpResponse(json.dumps(value), mimetype="application/json")
