"""``lambda``: ``handler(event, context)`` as AWS calls it.

The event of a request is payload 2.0; ``LAMBDA_PAYLOAD=1.0`` gives what a REST API or a load balancer sends.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html (payload
2.0, request and response) and https://docs.aws.amazon.com/lambda/latest/dg/python-context.html.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, problem, replies, requests, sdk, settings
from mayfly_runtime.dialects import event as event_dialect

_TEXT_TYPES = ("application/json", "application/xml", "application/javascript")


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take two arguments.
    """
    caller = dialects.make_caller(target, context, arguments=2)
    if context.settings.lambda_payload == "1.0":
        from mayfly_runtime.dialects import rest  # noqa: PLC0415  (few functions want it)

        return LambdaFunction(caller, context.settings, rest.make_payload)
    return LambdaFunction(caller, context.settings, make_payload)


class Names:
    """An object with the attributes it is given."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)!r})"


class LambdaContext(Names):
    """The second argument: names as in AWS; what has no meaning here is None or says so.

    ``client_context`` is read from ``X-Amz-Client-Context`` as AWS's Invoke API reads it: base64 of a JSON object.
    """

    def __init__(self, call: calls.Call, given: settings.Settings) -> None:
        self._call = call
        self.function_name = given.function
        self.function_version = given.revision or "$LATEST"
        self.invoked_function_arn = f"arn:mayfly:lambda:{given.namespace}:000000000000:function:{given.function}"
        self.memory_limit_in_mb = _memory_limit
        self.aws_request_id = call.request_id
        self.log_group_name = f"/{given.namespace}/{given.function}"
        self.log_stream_name = given.revision
        self.identity = Names(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = _read_client_context(call.header(b"x-amz-client-context"))
        self.tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the call's deadline."""
        return int(self._call.remaining_seconds() * 1000)

    def log(self, message: Any) -> None:
        """Print ``message``, as AWS's context does."""
        print(message, end="")  # noqa: T201


def _read_client_context(header: bytes | None) -> Names | None:
    """Return the caller's context, None without one.

    Raises:
        Problem: 400, it is not base64 of a JSON object.
    """
    if header is None:
        return None
    try:
        document = json.loads(base64.b64decode(header, validate=True))
        known = {name: document.get(name) for name in ("custom", "env")}
        client = Names(**dict.fromkeys(_CLIENT_FIELDS) | (document.get("client") or {}))
    except (ValueError, AttributeError, TypeError):
        raise problem.Problem(400, "X-Amz-Client-Context is not base64 of a JSON object") from None
    return Names(client=client, **known)


_CLIENT_FIELDS = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def _read_memory_limit(path: str = "/sys/fs/cgroup/memory.max") -> str:
    """Return the container's memory limit in MiB as text, as AWS gives it; ``0`` when there is none."""
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            text = file.read().strip()
    except OSError:
        return "0"
    return str(int(text) >> 20) if text.isdigit() else "0"


_memory_limit = _read_memory_limit()


class LambdaFunction(dialects.Dialect):
    """A function of event and context."""

    def __init__(
        self,
        call: Callable[..., Awaitable[Any]],
        given: settings.Settings,
        make_payload: Callable[[calls.Call, bytes, str], dict[str, Any]],
    ) -> None:
        self._call = call
        self._settings = given
        self._make_payload = make_payload

    async def answer(self, call: calls.Call) -> None:
        """Make the event (the CloudEvent itself, or a payload), call the function, send its response."""
        body = await call.read_body()
        of_event = events.is_event(call.scope["headers"])
        event = _make_cloudevent(call, body) if of_event else self._make_payload(call, body, self._settings.function)
        result = await self._call(event, LambdaContext(call, self._settings))
        if of_event and (result is None or sdk.take_apart(result) is not None):
            reply = event_dialect.make_reply(result, self._settings.function)
        else:
            reply = make_reply(result)
        await call.respond(reply.status, reply.headers, reply.body)  # type: ignore[arg-type]


def _make_cloudevent(call: calls.Call, body: bytes) -> dict[str, Any]:
    """Return the event in the shape of the CloudEvents JSON format; bytes become ``data_base64``."""
    attributes, data = events.parse_event(call.scope["headers"], body)
    if data is None:
        return dict(attributes)
    if isinstance(data, bytes):
        return attributes | {"data_base64": base64.b64encode(data).decode()}
    return attributes | {"data": data}


def make_payload(call: calls.Call, body: bytes, function: str) -> dict[str, Any]:
    """Return the request as an HTTP API event, payload format 2.0."""
    scope = call.scope
    headers = {name.lower(): value for name, value in requests.Headers(scope["headers"]).items()}
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    query = scope["query_string"].decode("latin-1")
    payload: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": scope["path"],
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _make_request_context(call, headers, function),
    }
    if cookies:
        payload["cookies"] = cookies
    if query:
        payload["queryStringParameters"] = _join_parameters(query)
    return payload | make_body(body, headers.get("content-type"))


def _join_parameters(query: str) -> dict[str, str]:
    """Return decoded query parameters; repeated ones are joined by a comma."""
    joined: dict[str, str] = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def make_body(body: bytes, content_type: str | None) -> dict[str, Any]:
    """Return ``body`` (absent when empty) and ``isBase64Encoded``; text stays text."""
    if not body:
        return {"isBase64Encoded": False}
    kind = (content_type or "text/plain").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")):
        try:
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _make_request_context(call: calls.Call, headers: dict[str, str], function: str) -> dict[str, Any]:
    scope, now = call.scope, time.time()
    host = headers.get("host", "").partition(":")[0]
    peer = scope["client"][0] if scope.get("client") else ""
    return {
        "accountId": "anonymous",
        "apiId": function,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": scope["method"],
            "path": scope["path"],
            "protocol": f"HTTP/{scope['http_version']}",
            "sourceIp": headers.get("x-forwarded-for", peer).split(",")[0].strip(),
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": call.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def make_reply(result: Any) -> replies.Reply:
    """Return the response to a result; one without ``statusCode`` is a JSON body with status 200 (format 2.0).

    Raises:
        ReplyError: a field of the response has the wrong type.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return replies.Reply(200, [(b"content-type", replies.JSON)], replies.encode_json(result))
    status = result["statusCode"]
    if isinstance(status, bool) or not isinstance(status, int | str):
        raise replies.ReplyError(f"statusCode is {status!r} ({type(status).__name__}); it must be an integer")
    headers = _make_headers(result)
    body = _read_body(result)
    if body and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", replies.TEXT if not result.get("isBase64Encoded") else replies.BYTES))
    return replies.Reply(replies.read_status(status), headers, body)


def _make_headers(result: dict[str, Any]) -> calls.Headers:
    """Return ``headers``, ``multiValueHeaders`` (which win) and ``cookies`` as raw headers."""
    single, multiple = result.get("headers") or {}, result.get("multiValueHeaders") or {}
    cookies = result.get("cookies") or []
    for name, value, kind in (
        ("headers", single, dict),
        ("multiValueHeaders", multiple, dict),
        ("cookies", cookies, list),
    ):
        if not isinstance(value, kind):
            raise replies.ReplyError(f"{name} is {type(value).__name__}; it must be a {kind.__name__}")
    named = {str(name).lower() for name in multiple}
    kept = {name: value for name, value in single.items() if str(name).lower() not in named}
    return replies.make_headers(kept | multiple) + replies.make_headers([("set-cookie", cookie) for cookie in cookies])


def _read_body(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise replies.ReplyError(f"body is {type(body).__name__}; it must be a string (json.dumps a dict)")
    if not result.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise replies.ReplyError("isBase64Encoded is true, but body is not base64") from None
