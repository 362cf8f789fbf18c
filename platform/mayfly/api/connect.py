"""Open the edges as the settings say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from mayfly import settings
from mayfly.api import edges
from mayfly.cluster import access, client, transport


@contextlib.asynccontextmanager
async def connect(limits: settings.ApiSettings) -> AsyncIterator[edges.Edges]:
    """Give the Kubernetes API (the pod's account, else the kubeconfig) and the registry, and close them at the end."""
    credentials = await access.load(kubeconfig=None, context=None)
    sender = transport.Transport(credentials, user_agent="mayfly-api")
    async with client.Cluster(sender) as cluster:
        yield edges.Edges(sender=sender, cluster=cluster, store=None)
