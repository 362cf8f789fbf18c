from ops import run_async


async def handle(request):
    kind, value = await run_async(request.path.strip("/"), request.args.get("name"), request.data)
    return value
