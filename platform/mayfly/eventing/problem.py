"""Errors as ``application/problem+json``: https://www.rfc-editor.org/rfc/rfc9457. Pure."""

from __future__ import annotations

import http
import json

from mayfly import errors
from mayfly.cluster import answer
from mayfly.eventing import web
from mayfly.store import records

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2.0
"""What a caller is told to wait when the cause is temporary and names no time itself."""
CROWDED_SECONDS = 5.0
"""The same when too much waits already: a backlog does not melt in a moment."""
CLOSE: records.Headers = (("connection", "close"),)
"""For an answer that does not wait for the rest of its request."""


class Refused(errors.MayflyError):
    """A request breaks a rule of this interface; ``status`` is the HTTP status that says so."""

    reason = "BadRequest"

    def __init__(
        self, message: str, *, status: int = 400, reason: str | None = None, headers: records.Headers = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.word = reason or http.HTTPStatus(status).phrase.title().replace(" ", "")
        self.headers = headers
        """What the answer says besides."""


class Busy(Refused):
    """This process has its hands full; a later try can succeed."""

    temporary = True
    retry_after_seconds = RETRY_SECONDS

    def __init__(self, message: str, *, headers: records.Headers = ()) -> None:
        super().__init__(message, status=503, reason="Busy", headers=headers)


class Crowded(Refused):
    """As much waits in a namespace as may; once some of it is delivered, there is room again."""

    temporary = True
    retry_after_seconds = CROWDED_SECONDS

    def __init__(self, message: str) -> None:
        super().__init__(message, status=429, reason="TooManyWaiting")


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
    errors.BuildError: 500,
    errors.SourceError: 500,
    errors.SourceUnavailable: 500,
    errors.HandlerError: 500,
    errors.SyntaxProblem: 500,
    errors.DependencyError: 500,
    errors.BuildTimeout: 500,
    errors.RegistryError: 500,
    errors.InvalidImage: 500,
    errors.InvalidCredentials: 500,
    errors.BuilderUnavailable: 500,
    errors.ClusterError: 502,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Invalid: 422,
    errors.Throttled: 503,  # it is us whom the API server asks for patience, not our caller
    errors.Unreachable: 503,
    answer.Expired: 502,
    errors.GatewayError: 500,
    errors.InvalidRoute: 500,
    errors.StoreError: 500,
    errors.StoreUnavailable: 503,
    errors.StoreCorrupt: 500,
    errors.SchemaTooNew: 500,
    Refused: 400,
    Busy: 503,
    Crowded: 429,
}
"""Our errors -> HTTP status. A kind that is missing here fails a test; nothing here builds or speaks to a registry."""


def status_of(error: errors.MayflyError) -> int:
    """Return the HTTP status for ``error``: its own, else that of the nearest kind in ``STATUSES``."""
    if isinstance(error, Refused):
        return error.status
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def reason_of(error: errors.MayflyError) -> str:
    """Return the one CamelCase word for ``error``."""
    return error.word if isinstance(error, Refused) else error.reason


def describe(error: errors.MayflyError) -> web.Response:
    """Return the answer that tells of one of our errors."""
    status = status_of(error)
    headers: list[tuple[str, str]] = list(error.headers) if isinstance(error, Refused) else []
    if status == http.HTTPStatus.UNAUTHORIZED:
        headers.append(("www-authenticate", 'Bearer realm="mayfly"'))
    if error.temporary and status != http.HTTPStatus.CONFLICT:
        seconds = getattr(error, "retry_after_seconds", None) or RETRY_SECONDS
        headers.append(("retry-after", str(max(1, round(seconds)))))
    return make_response(status=status, reason=reason_of(error), detail=str(error), headers=tuple(headers))


def describe_unforeseen() -> web.Response:
    """Return the answer to whatever nobody foresaw; what it was stands in the log alone."""
    detail = "an error that Mayfly did not foresee; its log has the details under the X-Request-Id of this request"
    return make_response(status=500, reason="InternalError", detail=detail)


def make_response(*, status: int, reason: str, detail: str, headers: records.Headers = ()) -> web.Response:
    """Return the answer that tells of one problem."""
    document = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    # Escaped beyond ASCII: half a surrogate pair of somebody's JSON may stand in the text, and has no UTF-8.
    body = json.dumps(document).encode()
    return web.Response(status, (("content-type", MEDIA_TYPE), ("cache-control", "no-store"), *headers), body)
