"""Open the edges as the settings say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from mayfly import settings
from mayfly.api import edges, relay
from mayfly.cluster import access, client, transport
from mayfly.image import artifact, reference
from mayfly.registry import artifact as artifacts
from mayfly.registry import client as registries


@contextlib.asynccontextmanager
async def connect(limits: settings.ApiSettings) -> AsyncIterator[edges.Edges]:
    """Give the connections, the Kubernetes API's with the pod's account or the kubeconfig, and close them at the end.

    Raises:
        errors.Unauthorized: there are no credentials for the Kubernetes API.
        errors.InvalidName: the setting ``registry`` is no HOST[:PORT]/PREFIX.
    """
    host = reference.ImageRef.parse(f"{limits.registry}/sources").host
    credentials = await access.load(kubeconfig=None, context=None)
    sender = transport.Transport(credentials, user_agent="mayfly-api")
    async with (
        client.Cluster(sender) as cluster,
        registries.open_client(host=host, insecure=limits.registry_insecure, config=limits.registry_config) as registry,
        relay.open_relay(url=limits.eventing_url, token_file=limits.internal_token_file) as eventing,
    ):

        async def store(repository: str, found: artifact.Artifact) -> str:
            return str(await artifacts.push_artifact(registry, found, reference.ImageRef.parse(repository)))

        yield edges.Edges(sender=sender, cluster=cluster, store=store, relay=eventing)
