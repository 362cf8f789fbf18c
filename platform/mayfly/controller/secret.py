"""The token with which the platform's processes know each other."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from mayfly import errors
from mayfly.cluster import client, kinds
from mayfly.model import names

log = logging.getLogger(__name__)

KEY = "token"
TOKEN_BYTES = 32


def make_secret(namespace: str) -> dict[str, object]:
    """Return a Secret with a new token, 32 random bytes in URL-safe base64; it outlives upgrades of the chart."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.INTERNAL_SECRET,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "mayfly", "app.kubernetes.io/managed-by": names.CONTROLLER},
        },
        "type": "Opaque",
        "stringData": {KEY: secrets.token_urlsafe(TOKEN_BYTES)},
    }


async def ensure_secret(cluster: client.Cluster, *, namespace: str) -> None:
    """Create the Secret unless it exists; one that exists is never changed.

    Raises:
        ClusterError: the API server did not take it.
    """
    try:
        await cluster.get(kinds.SECRET, namespace, names.INTERNAL_SECRET)
    except errors.NotFound:
        try:
            await cluster.create(make_secret(namespace), manager=names.CONTROLLER)
        except errors.Conflict:
            return  # another replica was faster
        log.info("created the internal token", extra={"secret": f"{namespace}/{names.INTERNAL_SECRET}"})


@dataclass
class Token:
    """The token as a caller reads it: from the mounted file, else from the Secret itself.

    The kubelet takes up to a minute to fill the mount of a Secret that was made after the pod; the first build
    should not wait for that.
    """

    cluster: client.Cluster
    namespace: str
    file: Path
    _fetched: str = field(default="", repr=False)

    async def read(self) -> str:
        """Return the token.

        Raises:
            BuilderUnavailable: there is none: a call without it would be refused anyway.
        """
        mounted = await asyncio.to_thread(_read, self.file)
        found = mounted or self._fetched or await self._fetch()
        if not found:
            raise errors.BuilderUnavailable(
                f"Secret {self.namespace}/{names.INTERNAL_SECRET} has no key {KEY!r}:"
                " delete it and restart the controller, which makes a new one"
            )
        return found

    def forget(self) -> None:
        """Read the Secret anew next time: the token was refused."""
        self._fetched = ""

    async def _fetch(self) -> str:
        try:
            secret = await self.cluster.get(kinds.SECRET, self.namespace, names.INTERNAL_SECRET)
        except errors.ClusterError as error:
            raise errors.BuilderUnavailable(f"the internal token cannot be read: {error}") from error
        encoded = (secret.get("data") or {}).get(KEY, "")
        self._fetched = base64.b64decode(encoded).decode(errors="replace").strip()
        return self._fetched


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
