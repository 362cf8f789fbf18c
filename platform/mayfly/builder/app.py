"""The builder's HTTP interface.

===========================================  =====================================================================
``POST /v1/builds?wait=SECONDS``             build; answers the state after at most ``wait`` (30 at most) seconds
``GET /v1/builds/{fingerprint}/log``         the build's log as text
``GET /healthz``, ``/readyz``, ``/metrics``  open to all; the others need the internal token
===========================================  =====================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

import pydantic
from aiohttp import web

from mayfly import settings
from mayfly.build import workshop
from mayfly.builder import builds, guard, metrics
from mayfly.model import build

MAX_WAIT_SECONDS = 30.0
MAX_BODY_BYTES = 8 * 1024 * 1024
"""An inline source comes out of a manifest, which the API server holds to 3 MiB."""
RETRY_AFTER_SECONDS = 5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BUILDS = web.AppKey("builds", builds.Builds)
_METRICS = web.AppKey("metrics", metrics.Metrics)
_SETTINGS = web.AppKey("settings", settings.BuilderSettings)


def make_app(given: settings.BuilderSettings) -> web.Application:
    """Return the application; its workshop opens when it starts."""
    app = web.Application(middlewares=[_guarded], client_max_size=MAX_BODY_BYTES)
    app[_SETTINGS] = given
    app[_METRICS] = metrics.Metrics()
    app.cleanup_ctx.append(_hold_builds)
    app.add_routes(
        [
            web.post("/v1/builds", _post_build),
            web.get("/v1/builds/{fingerprint}/log", _get_log),
            web.get("/healthz", _answer_ok),
            web.get("/readyz", _answer_ok),
            web.get("/metrics", _get_metrics),
        ]
    )
    return app


async def _hold_builds(app: web.Application) -> AsyncIterator[None]:
    async with workshop.open_workshop(app[_SETTINGS]) as shop:
        app[_BUILDS] = builds.Builds(shop, app[_METRICS])
        yield
        await app[_BUILDS].close()


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit only callers with the internal token to ``/v1``, and answer every refusal as problem+json (RFC 9457)."""
    token_file = request.app[_SETTINGS].internal_token_file
    if request.path.startswith("/v1/") and not guard.admits(
        guard.read_token(token_file), request.headers.get("Authorization")
    ):
        return _problem(HTTPStatus.UNAUTHORIZED, "present the internal token as a bearer token")
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return _problem(HTTPStatus(refusal.status), refusal.text or refusal.reason)


async def _post_build(request: web.Request) -> web.Response:
    try:
        wanted = build.BuildRequest.model_validate_json(await request.read())
        wait_seconds = _parse_wait(request.query.get("wait", "0"))
    except pydantic.ValidationError as error:
        return _problem(HTTPStatus.BAD_REQUEST, _describe(error))
    except ValueError as error:
        return _problem(HTTPStatus.BAD_REQUEST, str(error))
    try:
        status = await request.app[_BUILDS].submit(wanted, wait_seconds=wait_seconds)
    except builds.QueueFull as full:
        refusal = _problem(HTTPStatus.TOO_MANY_REQUESTS, str(full))
        refusal.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return refusal
    return web.Response(text=status.model_dump_json(), content_type="application/json")


def _parse_wait(text: str) -> float:
    """Return the seconds to wait, at most ``MAX_WAIT_SECONDS``.

    Raises:
        ValueError: it is not a number of seconds.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"wait={text!r} is not a number of seconds; give 0 to {MAX_WAIT_SECONDS:g}")
    return min(seconds, MAX_WAIT_SECONDS)


def _describe(error: pydantic.ValidationError) -> str:
    """Return what is wrong with a request, without repeating its values: they are someone's source."""
    found = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:5]]
    return "; ".join(found)


async def _get_log(request: web.Request) -> web.Response:
    found = request.app[_BUILDS].find(request.match_info["fingerprint"])
    if found is None:
        return _problem(HTTPStatus.NOT_FOUND, "no build of this fingerprint is remembered; ask for the build again")
    return web.Response(text=found.notes.log.text())


async def _answer_ok(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _get_metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[_METRICS].render(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")
