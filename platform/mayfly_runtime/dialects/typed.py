"""``typed``: ``f(value: Order) -> Receipt``; the annotation says how the JSON body is read and checked.

A class is a dataclass, a pydantic model (then pydantic checks), or one with ``from_dict`` and ``to_dict`` as
functions-framework's ``typed`` wants it (https://github.com/GoogleCloudPlatform/functions-framework-python). A body
that does not fit is 422 with the faulty fields; ``GET /openapi.json`` describes the function.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Awaitable, Callable
from typing import Any

from mayfly_runtime import calls, dialects, events, failures, hints, problem, replies, requests, settings

DESCRIPTION = "/openapi.json"


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around ``target``.

    Raises:
        HandlerError: ``target`` does not take one argument, or nothing says of which type.
    """
    call = dialects.make_caller(target, context, arguments=1)
    hint, result = _read_hints(target, context.settings)
    kind: type[Checker] = PydanticChecker if _is_for_pydantic(hint) else Checker
    return TypedFunction(call, kind(hint, result), _describe(target, context.settings), context)


def _read_hints(target: Any, given: settings.Settings) -> tuple[Any, Any]:
    """Return the types of the parameter and of the result; the latter is None when not stated."""
    function = inspect.unwrap(target)
    try:
        stated = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise failures.HandlerError(f"{given.handler}: its type hints cannot be read: {error}") from error
    first = next(iter(inspect.signature(function).parameters), "")
    hint = stated.get(first) or _find_registered(function)
    if hint is None:
        raise failures.HandlerError(
            f"{given.handler}: signature 'typed' needs a type hint on {first!r}, such as a dataclass. Add it, or change"
            " spec.signature."
        )
    return hint, stated.get("return")


def _find_registered(function: Any) -> Any:
    """Return the class given to ``functions_framework.typed(Class)``, None without one."""
    registry = sys.modules.get("functions_framework._function_registry")
    return None if registry is None else registry.INPUT_TYPE_MAP.get(function.__name__)


def _is_for_pydantic(hint: Any) -> bool:
    return "pydantic" in sys.modules and not hasattr(hint, "from_dict")


class Checker:
    """Reads values of one type, by the standard library alone."""

    def __init__(self, hint: Any, result: Any) -> None:
        self._hint = hint
        self._result = result

    def read(self, value: Any, *, lenient: bool) -> Any:
        """Return ``value`` as the function's type.

        Raises:
            Problem: 422 with ``errors``, each a field and what is wrong with it.
        """
        reader = hints.Reader(lenient=lenient)
        made = reader.read(value, self._hint)
        if reader.faults:
            raise _refuse(reader.faults)
        return made

    def make_schemas(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the schemas of the body and of the result, and those that they refer to."""
        shared: dict[str, Any] = {}
        return hints.make_schema(self._hint, shared), hints.make_schema(self._result, shared), shared

    def write(self, result: Any) -> replies.Reply:
        """Return the response for a result."""
        if hasattr(result, "to_dict"):
            result = result.to_dict()
        if hasattr(result, "__dataclass_fields__"):
            return replies.Reply(200, [(b"content-type", replies.JSON)], replies.encode_json(result))
        return replies.make_reply(result)


class PydanticChecker(Checker):
    """Reads and writes by pydantic, which the function brings (https://docs.pydantic.dev/latest/api/type_adapter/)."""

    def __init__(self, hint: Any, result: Any) -> None:
        super().__init__(hint, result)
        self._pydantic: Any = sys.modules["pydantic"]
        self._adapter = self._pydantic.TypeAdapter(hint)

    def read(self, value: Any, *, lenient: bool) -> Any:  # noqa: ARG002  (pydantic's rules hold for both)
        """Return ``value`` as the function's type."""
        try:
            return self._adapter.validate_python(value)
        except self._pydantic.ValidationError as error:
            raise _refuse(
                [
                    {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
                    for fault in error.errors(include_url=False, include_context=False, include_input=False)
                ]
            ) from None

    def make_schemas(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the schemas as pydantic writes them."""
        place = "#/components/schemas/{model}"
        body = self._adapter.json_schema(ref_template=place)
        result = self._pydantic.TypeAdapter(self._result).json_schema(ref_template=place, mode="serialization")
        return body, result, body.pop("$defs", {}) | result.pop("$defs", {})

    def write(self, result: Any) -> replies.Reply:
        """Return the response; models are written by pydantic wherever they are."""
        if hasattr(type(result), "__pydantic_serializer__") or isinstance(result, dict | list):
            from pydantic_core import to_json  # type: ignore[import-not-found, unused-ignore] # noqa: PLC0415

            return replies.Reply(200, [(b"content-type", replies.JSON)], to_json(result))
        return super().write(result)


def _refuse(faults: list[dict[str, str]]) -> problem.Problem:
    first = faults[0]
    where = f"{first['field']!r} " if first["field"] else "the body "
    more = f" (and {len(faults) - 1} more, see errors)" if len(faults) > 1 else ""
    return problem.Problem(422, f"the body does not fit: {where}{first['message']}{more}", errors=list(faults))


class TypedFunction(dialects.Dialect):
    """A function of one checked value."""

    def __init__(
        self,
        call: Callable[..., Awaitable[Any]],
        checker: Checker,
        description: dict[str, Any],
        context: dialects.Context,
    ) -> None:
        self._call = call
        self._checker = checker
        self._description = description
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Check the body (an event's data, or the query where there is none), call, send the result."""
        if call.scope["path"] == DESCRIPTION and call.scope["method"] in {"GET", "HEAD"}:
            body = replies.encode_json(_complete(self._description, self._checker))
            await call.respond(200, [(b"content-type", replies.JSON)], body)
            return
        value, lenient = _read_value(call, await call.read_body())
        result = await self._call(self._checker.read(value, lenient=lenient))
        await replies.send(call, self._checker.write(result), self._workers)


def _read_value(call: calls.Call, body: bytes) -> tuple[Any, bool]:
    """Return what was sent, and whether it is query parameters, whose numbers are text."""
    headers = call.scope["headers"]
    if events.is_event(headers):
        return events.parse_event(headers, body)[1], False
    if not body:
        query = requests.Request(call.scope, body).args.to_dict(flat=False)
        return {name: values[0] if len(values) == 1 else values for name, values in query.items()}, True
    return requests.parse_json(body), False


def _describe(target: Any, given: settings.Settings) -> dict[str, Any]:
    text = inspect.cleandoc(target.__doc__ or "")
    operation = {"operationId": getattr(target, "__name__", "function")}
    operation |= {"summary": text.partition("\n")[0], "description": text} if text else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": given.function, "version": given.revision or "latest"},
        "paths": {"/": {"post": operation}},
    }


def _complete(description: dict[str, Any], checker: Checker) -> dict[str, Any]:
    """Return the description with its schemas (https://spec.openapis.org/oas/v3.1.0)."""
    body, result, shared = checker.make_schemas()
    fault = {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}}
    refusal = {"type": "object", "properties": {"errors": {"type": "array", "items": fault}}}
    (operation,) = description["paths"]["/"].values()
    complete = operation | {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "the result", "content": {"application/json": {"schema": result}}},
            "422": {
                "description": "the body does not fit",
                "content": {"application/problem+json": {"schema": refusal}},
            },
        },
    }
    return description | {"paths": {"/": {"post": complete}}, "components": {"schemas": shared}}
