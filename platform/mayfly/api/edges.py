"""The connections of this process to the outside, and the two calls they do not have of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request

from mayfly.api import relay
from mayfly.cluster import client, kinds, transport
from mayfly.image import artifact

Store = Callable[[str, artifact.Artifact], Awaitable[str]]
"""Push an artifact to a repository (``HOST/PATH``) and return its reference by digest."""


@dataclasses.dataclass(frozen=True)
class Edges:
    """The Kubernetes API under the platform's own account, the registry, and the process that keeps invocations."""

    sender: transport.Transport
    cluster: client.Cluster
    store: Store
    relay: relay.Relay

    async def list_page(self, *, namespace: str, limit: int, token: str | None, labels: str | None) -> dict[str, Any]:
        """Return one page of Functions as the API server has it, ``metadata.continue`` included.

        Raises:
            answer.Expired: the continue token is too old.
        """
        query = {"limit": str(limit)}
        query |= {"continue": token} if token else {}
        query |= {"labelSelector": labels} if labels else {}
        page: dict[str, Any] = await self.sender.call("GET", kinds.FUNCTION.path(namespace=namespace), query=query)
        return page

    async def create(self, obj: Mapping[str, Any], *, namespace: str, manager: str, dry_run: bool) -> dict[str, Any]:
        """Create a Function, refusing fields that the schema does not know, and return it as stored.

        Raises:
            errors.Conflict: the name is taken.
            errors.Invalid: admission refused it.
        """
        query = {"fieldManager": manager, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        path = kinds.FUNCTION.path(namespace=namespace)
        made: dict[str, Any] = await self.sender.call("POST", path, query=query, body=obj)
        return made


def of(request: Request) -> Edges:
    """Return the edges of the application that serves ``request``."""
    found: Edges = request.app.state.edges
    return found
