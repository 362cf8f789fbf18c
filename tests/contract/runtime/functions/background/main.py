"""A background function without any library."""


def archive(data, context):
    print("archived", data, context.event_id, context.timestamp, context.event_type, context.resource)
    return "dropped"


async def archive_async(data, context):
    print("archived", data, context.event_id)
