"""``openwhisk``: ``main(args)``, a dict in and a dict out, called as a web action is.

Source: https://github.com/apache/openwhisk/blob/master/docs/webactions.md. Query, form fields and the members of a JSON
body are parameters; ``__ow_method``, ``__ow_headers``, ``__ow_path`` and ``__ow_body`` (other bodies) tell the rest.
A result with ``statusCode``, ``headers`` or ``body`` is the response, one with ``error`` a failure, any other JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, replies, requests
from mayfly_runtime.dialects import aws, parts

_APPLICATION_ERROR = 400
"""Status of a web action that returns ``error`` and states none."""


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take one argument.
    """
    return OpenWhiskAction(dialects.make_caller(target, context, arguments=1), context)


class OpenWhiskAction(dialects.Dialect):
    """A function of a dict."""

    def __init__(self, call: Callable[..., Awaitable[Any]], context: dialects.Context) -> None:
        self._call = call
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Gather the parameters, call the function, send its response."""
        body = await call.read_body()
        await replies.send(call, make_reply(await self._call(make_arguments(call, body))), self._workers)


def make_arguments(call: calls.Call, body: bytes) -> dict[str, Any]:
    """Return the parameters of a request, or of the data of a CloudEvent; members of the body win over the query's."""
    request = requests.Request(call.scope, body)
    arguments: dict[str, Any] = dict(request.args)
    told = {
        "__ow_method": request.method.lower(),
        "__ow_headers": {name.lower(): value for name, value in request.headers.items()},
        "__ow_path": "" if request.path == "/" else request.path,
    }
    return arguments | _read_body(call, request) | told


def _read_body(call: calls.Call, request: requests.Request) -> dict[str, Any]:
    if events.is_event(call.scope["headers"]):
        content = events.parse_event(call.scope["headers"], request.data)[1]
    elif request.data and request.is_json:
        content = request.get_json()
    elif request.form:
        content = dict(request.form)
    else:
        sent = aws.make_body(request.data, request.content_type)
        return {"__ow_body": sent.get("body", "")} if request.data else {}
    if isinstance(content, bytes):
        content = base64.b64encode(content).decode()
    return content if isinstance(content, dict) else {} if content is None else {"__ow_body": content}


def make_reply(result: Any) -> replies.Reply:
    """Return the response to a result.

    Raises:
        ReplyError: the result is neither a dict nor a list.
    """
    if isinstance(result, dict) and result.get("error") is not None:
        return _make_error(result["error"])
    if parts.is_response(result):
        return parts.make_reply(_decode(result), status=200 if result.get("body") else 204)
    if isinstance(result, dict | list):
        return replies.make_reply(result)
    raise replies.ReplyError(f"the function returned {type(result).__name__}; an OpenWhisk action returns a dict")


def _make_error(error: Any) -> replies.Reply:
    if parts.is_response(error):
        return parts.make_reply(_decode(error), status=_APPLICATION_ERROR)
    return parts.make_reply({"body": {"error": error}}, status=_APPLICATION_ERROR)


def _decode(result: dict[str, Any]) -> dict[str, Any]:
    """Return ``result`` with the body as bytes where its content type is neither text nor JSON: such are base64."""
    headers, body = result.get("headers"), result.get("body")
    named = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    kind = named.get("content-type")
    if not isinstance(body, str) or kind is None or not aws.make_body(b" ", str(kind))["isBase64Encoded"]:
        return result
    try:
        return result | {"body": base64.b64decode(body, validate=True)}
    except ValueError:
        return result
