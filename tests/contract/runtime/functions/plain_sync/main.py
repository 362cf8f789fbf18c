from ops import run


def handle(request):
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    return value
