"""Whether this process lives, whether it can serve, and what it has done: open to everyone in the cluster."""

from __future__ import annotations

import prometheus_client
from fastapi import APIRouter, Request, Response

import mayfly
from mayfly.api import calls, edges

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Say that the process lives")
async def show_health() -> dict[str, str]:
    """Return the version."""
    return {"status": "ok", "version": mayfly.__version__}


@router.get(
    "/readyz",
    summary="Say whether calls can be served",
    responses={503: {"description": "The Kubernetes API does not answer."}},
)
async def show_readiness(request: Request) -> dict[str, str]:
    """Return the version of the Kubernetes API, which every call needs."""
    return {"status": "ok", "kubernetes": await edges.of(request).cluster.server_version()}


@router.get("/metrics", summary="Give Prometheus metrics", response_class=Response)
async def show_metrics() -> Response:
    """Return the metrics in the text format."""
    return Response(prometheus_client.generate_latest(calls.REGISTRY), media_type=prometheus_client.CONTENT_TYPE_LATEST)
