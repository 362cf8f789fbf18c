import azure.functions as func

stock = func.Blueprint()


@stock.route(route="stock/{*path}", methods=["GET", "PUT"])
def levels(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{req.method} {req.route_params.get('path', '-')}")
