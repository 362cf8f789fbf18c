"""A request as payload 1.0, the form of API Gateway's REST APIs.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html. Fields
without a value are null there, not absent, and headers keep the names' case as it was sent; here they are title case.
"""

from __future__ import annotations

import time
import urllib.parse
from typing import Any

from mayfly_runtime import calls, requests
from mayfly_runtime.dialects import aws


def make_payload(call: calls.Call, body: bytes, function: str) -> dict[str, Any]:
    """Return the event; of a repeated header or parameter the plain mapping holds the last one."""
    scope = call.scope
    headers = _collect([(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in scope["headers"]])
    query = _collect(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    sent = aws.make_body(body, headers.get("Content-Type", [None])[-1])
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": scope["path"],
        "httpMethod": scope["method"],
        "headers": _take_last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _take_last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": scope["path"].lstrip("/")} if scope["path"] != "/" else None,
        "stageVariables": None,
        "requestContext": _make_context(call, _take_last(headers), function),
        "body": sent.get("body"),
        "isBase64Encoded": sent["isBase64Encoded"],
    }


def _collect(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        collected.setdefault(name, []).append(value)
    return collected


def _take_last(collected: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in collected.items()}


def _make_context(call: calls.Call, headers: dict[str, str], function: str) -> dict[str, Any]:
    scope, now = call.scope, time.time()
    address = requests.Request(scope, b"").remote_addr or ""
    host = headers.get("Host", "").partition(":")[0]
    return {
        "accountId": "anonymous",
        "apiId": function,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": call.request_id,
        "httpMethod": scope["method"],
        "identity": {"sourceIp": address, "userAgent": headers.get("User-Agent", ""), "user": None},
        "path": scope["path"],
        "protocol": f"HTTP/{scope['http_version']}",
        "requestId": call.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": None,
        "resourcePath": "/{proxy+}",
        "stage": "$default",
    }
