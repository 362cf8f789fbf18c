"""Which cluster and namespace a command works on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import AsyncIterator
from typing import Any

from mayfly import errors
from mayfly.cli import exits
from mayfly.cluster import client, kinds

SYSTEM_NAMESPACE = os.environ.get("MAYFLY_SYSTEM_NAMESPACE", "mayfly-system")
"""Where the platform itself runs."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What the options say; ``None`` leaves it to the kubeconfig."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Session:
    """A connection with the user's own rights, and the namespace they mean."""

    cluster: client.Cluster
    namespace: str

    async def get_function(self, name: str) -> dict[str, Any]:
        """Return the Function.

        Raises:
            errors.NotFound: there is none; the text names those there are.
        """
        try:
            return await self.cluster.get(kinds.FUNCTION, self.namespace, name)
        except errors.NotFound as error:
            if "could not find" in str(error) or "page not found" in str(error):
                raise
            raise errors.NotFound(await self._describe_absence(name)) from error

    async def _describe_absence(self, name: str) -> str:
        try:
            found = await self.cluster.list(kinds.FUNCTION, self.namespace)
        except errors.ClusterError:
            found = []
        there = ", ".join(sorted(obj["metadata"]["name"] for obj in found)[:20])
        hint = f"there are: {there}" if there else "there are none; -n chooses another namespace"
        return f"no function {name!r} in namespace {self.namespace}; {hint}"


@contextlib.asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Session]:
    """Give a session, and close it at the end.

    Raises:
        errors.Unauthorized: there are no credentials.
    """
    if target.kubeconfig is not None and not target.kubeconfig.is_file():
        raise exits.WrongUsage(f"--kubeconfig {str(target.kubeconfig)!r} is not a file; name the cluster's kubeconfig")
    async with await client.connect(
        kubeconfig=target.kubeconfig, context=target.context, user_agent="mayfly-cli"
    ) as cluster:
        yield Session(cluster, target.namespace or cluster.default_namespace)
