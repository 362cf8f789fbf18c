"""The event, the context and the response of an AWS Lambda function."""

from __future__ import annotations

import base64
import json

import pytest


@pytest.fixture
def show(start):
    return start("odd", MAYFLY_SIGNATURE="lambda", MAYFLY_HANDLER="main.show").ready()


def test_http_event(show):
    """A request is payload format 2.0."""
    seen = show.request(
        "POST",
        "/orders/7%20a?x=1&x=2&empty=",
        content="straße".encode(),
        headers=[
            ("Host", "pay.shop.example"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("X-Many", "a"),
            ("X-Many", "b"),
            ("Cookie", "s=1; t=2"),
            ("User-Agent", "tester"),
            ("X-Forwarded-For", "203.0.113.7, 10.0.0.1"),
            ("X-Request-Id", "req-1"),
        ],
    ).json()
    event, context = seen["event"], seen["event"].pop("requestContext")
    assert event["headers"]["x-many"] == "a,b"
    assert "cookie" not in event["headers"]
    del event["headers"]
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/orders/7 a",
        "rawQueryString": "x=1&x=2&empty=",
        "queryStringParameters": {"x": "1,2", "empty": ""},
        "cookies": ["s=1", "t=2"],
        "body": "straße",
        "isBase64Encoded": False,
    }
    assert context.pop("timeEpoch") > 0
    assert context.pop("time").endswith("+0000")
    assert context == {
        "accountId": "anonymous",
        "apiId": "odd",
        "domainName": "pay.shop.example",
        "domainPrefix": "pay",
        "http": {
            "method": "POST",
            "path": "/orders/7 a",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.7",
            "userAgent": "tester",
        },
        "requestId": "req-1",
        "routeKey": "$default",
        "stage": "$default",
    }
    assert seen["context"]["function_name"] == "odd"
    assert seen["context"]["function_version"] == "odd-00001"
    assert seen["context"]["aws_request_id"] == "req-1"


def test_context(show):
    """The context has every name that AWS documents; what a caller says of itself is in `client_context`."""
    client = {"client": {"app_title": "till"}, "custom": {"shop": "7"}}
    sent = {"x-amz-client-context": base64.b64encode(json.dumps(client).encode()).decode(), "x-request-id": "r-1"}
    context = show.request("GET", "/", headers=sent).json()["context"]
    assert context.pop("client_context") == {
        "client": {
            "installation_id": None,
            "app_title": "till",
            "app_version_name": None,
            "app_version_code": None,
            "app_package_name": None,
        },
        "custom": {"shop": "7"},
        "env": None,
    }
    assert context.pop("memory_limit_in_mb").isdigit()
    assert context == {
        "function_name": "odd",
        "function_version": "odd-00001",
        "invoked_function_arn": "arn:mayfly:lambda:shop:000000000000:function:odd",
        "aws_request_id": "r-1",
        "log_group_name": "/shop/odd",
        "log_stream_name": "odd-00001",
        "identity": {"cognito_identity_id": None, "cognito_identity_pool_id": None},
        "tenant_id": None,
    }
    assert show.request("GET", "/").json()["context"]["client_context"] is None
    for wrong in ("*", base64.b64encode(b"[1]").decode()):
        assert show.request("GET", "/", headers={"x-amz-client-context": wrong}).status_code == 400


def test_rest_event(start):
    """With LAMBDA_PAYLOAD=1.0 a request is payload format 1.0: lists of values, and null for what is absent."""
    settings = {"MAYFLY_SIGNATURE": "lambda", "MAYFLY_HANDLER": "main.show", "LAMBDA_PAYLOAD": "1.0"}
    show = start("odd", **settings).ready()
    event = show.request(
        "PUT",
        "/orders/7?x=1&x=2",
        content=b"\x00\xff",
        headers=[
            ("Host", "pay.shop.example"),
            ("X-Many", "a"),
            ("X-Many", "b"),
            ("Cookie", "s=1; t=2"),
            ("X-Forwarded-For", "203.0.113.7, 10.0.0.1"),
            ("X-Request-Id", "req-1"),
            ("Content-Type", "image/png"),
        ],
    ).json()["event"]
    context, headers, many = (event.pop(name) for name in ("requestContext", "headers", "multiValueHeaders"))
    assert (headers["X-Many"], many["X-Many"], headers["Cookie"]) == ("b", ["a", "b"], "s=1; t=2")
    assert event == {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": "/orders/7",
        "httpMethod": "PUT",
        "queryStringParameters": {"x": "2"},
        "multiValueQueryStringParameters": {"x": ["1", "2"]},
        "pathParameters": {"proxy": "orders/7"},
        "stageVariables": None,
        "body": "AP8=",
        "isBase64Encoded": True,
    }
    assert (context["httpMethod"], context["requestId"], context["domainName"]) == ("PUT", "req-1", "pay.shop.example")
    assert context["identity"]["sourceIp"] == "203.0.113.7"

    empty = show.request("GET", "/").json()["event"]
    assert (empty["body"], empty["isBase64Encoded"], empty["queryStringParameters"]) == (None, False, None)
    assert empty["pathParameters"] is None


def test_bodies(show):
    """Binary bodies are base64; without a body there is none."""
    raw = bytes(range(256))
    binary = show.request("POST", "/", content=raw, headers={"content-type": "image/png"}).json()["event"]
    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (raw, True)
    assert "body" not in show.request("GET", "/").json()["event"]
    assert "queryStringParameters" not in show.request("GET", "/").json()["event"]


def test_cloudevent(show):
    """A CloudEvent arrives as a dict in the shape of the JSON format."""
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-tenant": "a"}
    sent = show.request("POST", "/", headers=headers | {"content-type": "application/json"}, content=b'{"a":1}')
    assert sent.json()["event"] == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "tenant": "a",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }
    assert show.request("POST", "/", headers=headers | {"ce-id": ""}).json()["attribute"] == "id"


def test_logs(show):
    """Extras of a record are fields; a printed JSON object is kept and completed with the request id."""
    show.request("GET", "/", headers={"x-request-id": "logged"})
    record = show.record(logger="user")
    assert (record["message"], record["order"], record["request_id"]) == ("shown", 7, "logged")
    printed = show.record(severity="NOTICE")
    assert (printed["message"], printed["request_id"]) == ("structured", "logged")


RESULTS = {
    '"text"': (200, "application/json", b'"text"'),
    '{"a": 1}': (200, "application/json", b'{"a":1}'),
    "null": (200, "application/json", b"null"),
    '{"statusCode": 201, "body": "made"}': (201, "text/plain; charset=utf-8", b"made"),
    '{"statusCode": "202"}': (202, None, b""),
    '{"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": "AP8=", "isBase64Encoded": true}': (
        200,
        "image/png",
        b"\x00\xff",
    ),
}
REFUSED = {
    '{"statusCode": true}': "statusCode is True",
    '{"statusCode": [200]}': "statusCode is [200]",
    '{"statusCode": 42}': "status 42",
    '{"statusCode": 200, "body": {"a": 1}}': "body is dict",
    '{"statusCode": 200, "headers": []  , "cookies": "a=1"}': "cookies is str",
    '{"statusCode": 200, "body": "*", "isBase64Encoded": true}': "not base64",
    '{"statusCode": 200, "headers": {"X-A": "a\\r\\nb: c"}}': "control character",
}


def test_responses(start):
    """Responses with and without `statusCode` are read as API Gateway reads format 2.0."""
    runtime = start("odd", MAYFLY_SIGNATURE="lambda", MAYFLY_HANDLER="main.result").ready()

    def send(text, request_id="any"):
        return runtime.request("POST", "/", content=text.encode(), headers={"x-request-id": request_id})

    for text, expected in RESULTS.items():
        answer = send(text)
        assert (answer.status_code, answer.headers.get("content-type"), answer.content) == expected, text
    many = send('{"statusCode": 200, "multiValueHeaders": {"X-A": ["1", "2"]}, "cookies": ["a=1", "b=2"]}')
    assert many.headers.get_list("x-a") == ["1", "2"]
    assert many.headers.get_list("set-cookie") == ["a=1", "b=2"]
    for number, (text, words) in enumerate(REFUSED.items()):
        assert send(text, f"refused-{number}").status_code == 500, text
        assert words in runtime.record(request_id=f"refused-{number}", level="error")["message"]
