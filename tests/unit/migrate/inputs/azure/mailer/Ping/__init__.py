import azure.functions as func  # noqa: N999  (Azure names a function by its folder)


def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")
