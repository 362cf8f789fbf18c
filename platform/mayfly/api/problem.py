"""Errors as ``application/problem+json``: https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

import http
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic
from fastapi import FastAPI, Request, Response, exceptions
from starlette.exceptions import HTTPException

from mayfly import errors
from mayfly.cluster import answer

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
"""What a caller is told to wait when the cause is temporary and names no time itself."""


class Refused(errors.MayflyError):
    """A request breaks a rule of this interface; ``status`` is the HTTP status that says so."""

    reason = "BadRequest"

    def __init__(self, message: str, *, status: int = 400, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.word = reason or http.HTTPStatus(status).phrase.title().replace(" ", "")


class Busy(Refused):
    """This process has its hands full; a later try can succeed."""

    temporary = True

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503, reason="Busy")


STATUSES: dict[type[errors.MayflyError], int] = {
    errors.MayflyError: 500,
    errors.SpecError: 422,
    errors.InvalidName: 422,
    errors.InvalidSource: 422,
    errors.UnknownRuntime: 422,
    errors.InvalidFilter: 422,
    errors.InvalidSchedule: 422,
    errors.InvalidEvent: 400,
    errors.EventTooLarge: 413,
    errors.UnsupportedEvent: 415,
    errors.InvalidQuestion: 400,
    errors.WrongState: 409,
    errors.EventingUnavailable: 503,
    errors.BuildError: 422,
    errors.SourceError: 422,
    errors.SourceUnavailable: 503,
    errors.HandlerError: 422,
    errors.SyntaxProblem: 422,
    errors.DependencyError: 422,
    errors.BuildTimeout: 422,
    errors.RegistryError: 502,
    errors.InvalidImage: 502,
    errors.InvalidCredentials: 502,
    errors.BuilderUnavailable: 503,
    errors.ClusterError: 502,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Invalid: 422,
    errors.Throttled: 429,
    errors.Unreachable: 503,
    answer.Expired: 410,
    errors.GatewayError: 500,
    errors.InvalidRoute: 500,
    errors.StoreError: 500,
    errors.StoreUnavailable: 503,
    errors.StoreCorrupt: 500,
    errors.SchemaTooNew: 500,
    Refused: 400,
    Busy: 503,
}
"""Our errors -> HTTP status. A kind that is missing here fails a test."""


class FieldProblem(pydantic.BaseModel):
    """One wrong value of a request."""

    field: str = pydantic.Field(description="Where it stands, such as query.limit.")
    detail: str = pydantic.Field(description="The rule it breaks.")


class Problem(pydantic.BaseModel):
    """An error as RFC 9457 describes it, with our ``reason`` beside it."""

    type: str = pydantic.Field("about:blank", description="Kind of problem; about:blank: the status says it.")
    title: str = pydantic.Field(description="The status in words.")
    status: int = pydantic.Field(description="The HTTP status.")
    detail: str = pydantic.Field(description="What is wrong with which value, the rule, and what to do.")
    reason: str = pydantic.Field(description="One CamelCase word for programs.")
    errors: list[FieldProblem] | None = pydantic.Field(None, description="Every wrong value, when there are several.")


def make_response(
    *,
    status: int,
    reason: str,
    detail: str,
    fields: Iterable[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that tells of one problem."""
    problem = Problem(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        reason=reason,
        errors=None if fields is None else list(fields),
    )
    body = json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=False)
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def status_of(error: errors.MayflyError) -> int:
    """Return the HTTP status for ``error``: its own, else that of the nearest kind in ``STATUSES``."""
    if isinstance(error, Refused):
        return error.status
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def describe(error: errors.MayflyError) -> Response:
    """Return the answer that tells of one of our errors."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="mayfly"'
    if error.temporary and status != http.HTTPStatus.CONFLICT:
        seconds = getattr(error, "retry_after_seconds", None) or RETRY_SECONDS
        headers["Retry-After"] = str(max(1, round(seconds)))
    reason = error.word if isinstance(error, Refused) else error.reason
    return make_response(status=status, reason=reason, detail=str(error), headers=headers)


def _describe_fields(found: Iterable[Mapping[str, Any]]) -> list[FieldProblem]:
    return [
        FieldProblem(
            field=".".join(str(part) for part in one["loc"]),
            detail=f"{one['msg']} (given: {str(one['input'])[:100]!r})",
        )
        for one in found
    ]


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.MayflyError)
        return describe(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, exceptions.RequestValidationError)
        fields = _describe_fields(error.errors())
        detail = "; ".join(f"{field.field}: {field.detail}" for field in fields)
        return make_response(status=400, reason="BadRequest", detail=detail, fields=fields)

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = http.HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        detail = f"{request.method} {request.url.path}: {error.detail}; /openapi.json lists what there is"
        return make_response(status=error.status_code, reason=reason, detail=detail, headers=error.headers)

    async def unforeseen(_: Request, __: Exception) -> Response:
        detail = "an error that Mayfly did not foresee; its log has the details under the X-Request-Id of this answer"
        return make_response(status=500, reason="InternalError", detail=detail)

    app.add_exception_handler(errors.MayflyError, ours)
    app.add_exception_handler(exceptions.RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unforeseen)
