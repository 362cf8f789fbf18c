"""Payment provider's callback, written for AWS Lambda and run as it is."""

import base64
import hashlib
import hmac
import json
import os


def lambda_handler(event, context):
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    if not signed(raw, event["headers"].get("x-signature", "")):
        return answer(401, {"error": "signature does not match"})
    payment = json.loads(raw)
    return answer(
        200,
        {
            "order": payment["order"],
            "state": "paid" if payment["status"] == "captured" else "waiting",
            "request": context.aws_request_id,
            "milliseconds_left": context.get_remaining_time_in_millis(),
        },
    )


def signed(raw, signature):
    expected = hmac.new(os.environ["SIGNING_KEY"].encode(), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def answer(status, body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
