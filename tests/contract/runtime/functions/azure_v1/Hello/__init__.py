import azure.functions as func


def main(req: func.HttpRequest) -> func.HttpResponse:
    name = req.params.get("name") or req.route_params.get("name") or "nobody"
    return func.HttpResponse(f"Hello, {name}")


def queued(req: func.HttpRequest, message: func.Out[str]) -> None:
    message.set("x")
