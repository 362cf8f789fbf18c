from ops import run


def main(context):
    request = context.request
    if context.cloud_event:
        return {"type": context.cloud_event["type"], "keys": sorted(context)}
    kind, value = run(request.path.strip("/"), request.args.get("name"), request.get_data())
    return value
