"""Put the application together."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI

import mayfly
from mayfly import settings
from mayfly.api import edges, events, functions, health, invocations, logs, problem, source
from mayfly.cluster import gatekeeper

DESCRIPTION = """\
Functions on Kubernetes: create, read, update, delete, upload of sources, logs; events, invocations, dead letters.

Callers present a bearer token that the cluster accepts (TokenReview); every call is checked against the cluster's
own rules (SubjectAccessReview). Errors are `application/problem+json` (RFC 9457).
"""
PUBLIC = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""The only paths that ask for no token; a test proves it."""

ROUTERS = (
    functions.router,
    source.router,
    logs.router,
    events.router,
    invocations.router,
    logs.invocation_router,
    health.router,
)

Connect = Callable[[settings.ApiSettings], contextlib.AbstractAsyncContextManager[edges.Edges]]


def make_app(limits: settings.ApiSettings, connect: Connect) -> FastAPI:
    """Return the application; ``connect`` opens its edges when it starts and closes them when it ends."""

    @contextlib.asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        async with connect(limits) as found:
            app.state.edges = found
            app.state.gatekeeper = gatekeeper.Gatekeeper(found.cluster, audience=limits.audience)
            app.state.settings = limits
            yield

    app = FastAPI(
        title="Mayfly",
        version=mayfly.__version__,
        description=DESCRIPTION,
        lifespan=live,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        responses={"default": {"model": problem.Problem, "description": "A problem."}},
        generate_unique_id_function=lambda route: route.name,
    )
    problem.install(app)
    app.openapi = functools.partial(_describe, app)  # type: ignore[method-assign]
    for router in ROUTERS:
        app.include_router(router)
    return app


def make_openapi() -> dict[str, Any]:
    """Return the interface's description; it depends on nothing but the code."""
    return make_app(settings.ApiSettings(), _connect_nothing).openapi()


def _describe(app: FastAPI) -> dict[str, Any]:
    """Return the description with the media type that problems really have."""
    described = FastAPI.openapi(app)
    for path in described["paths"].values():
        for operation in path.values():
            content = operation["responses"]["default"]["content"]
            content[problem.MEDIA_TYPE] = content.pop("application/json", None) or content[problem.MEDIA_TYPE]
    return described


@contextlib.asynccontextmanager
async def _connect_nothing(_: settings.ApiSettings) -> AsyncIterator[edges.Edges]:
    raise AssertionError("only described, never served")
    yield
