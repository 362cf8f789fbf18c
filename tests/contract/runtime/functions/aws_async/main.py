import base64
import json

from ops import run_async


async def handle(event, context):
    assert context.get_remaining_time_in_millis() > 0
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event["isBase64Encoded"] else body
    name = event.get("queryStringParameters", {}).get("name")
    kind, value = await run_async(event["rawPath"].strip("/"), name, raw)
    if kind == "json":
        return value
    if kind == "empty":
        return {"statusCode": 204}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/octet-stream"},
        "body": base64.b64encode(value).decode(),
        "isBase64Encoded": True,
    }
