"""Who asks, and whether they may: Kubernetes answers both (``cluster.gatekeeper``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request, Security, security

from mayfly.cluster import gatekeeper
from mayfly.model import names

CALLER = "mayfly.caller"
"""Where the scope of a call keeps the caller's name, for the log."""

_bearer = security.HTTPBearer(auto_error=False, description="A bearer token that the cluster accepts.")
_header = security.APIKeyHeader(
    name=gatekeeper.TOKEN_HEADER,
    auto_error=False,
    description="The same token, for calls through the API server's service proxy, which removes Authorization.",
)


@dataclasses.dataclass(frozen=True)
class Permission:
    """Demand that the caller may do ``verb`` on Functions (or a subresource) in the namespace of the path.

    Used as a FastAPI dependency; its value is the ``Caller``.
    """

    verb: str
    subresource: str = ""

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[Any, Security(_bearer)] = None,
        _header: Annotated[Any, Security(_header)] = None,
    ) -> gatekeeper.Caller:
        """Return the caller, once known and allowed."""
        keeper: gatekeeper.Gatekeeper = request.app.state.gatekeeper
        token = gatekeeper.choose_token(
            own=request.headers.get(gatekeeper.TOKEN_HEADER, ""), authorization=request.headers.get("Authorization", "")
        )
        caller = await keeper.identify(token)
        request.scope[CALLER] = caller.username
        await keeper.check(caller, self.attributes(request.path_params))
        return caller

    def attributes(self, path: Mapping[str, str]) -> dict[str, str]:
        """Return the ResourceAttributes of a call with these path parameters."""
        given = {
            "group": names.GROUP,
            "version": names.VERSION,
            "resource": names.PLURAL,
            "subresource": self.subresource,
            "verb": self.verb,
            "namespace": path["namespace"],
            "name": path.get("name", ""),
        }
        return {field: value for field, value in given.items() if value}
