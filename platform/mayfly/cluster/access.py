"""Where the API server is and how to prove who asks."""

from __future__ import annotations

import ssl
from pathlib import Path


class Access:
    """Say where the API server is and give the ``Authorization`` header of the moment."""

    host: str
    tls: ssl.SSLContext | None
    tls_server_name: str | None
    proxy: str | None
    trust_env: bool
    namespace: str
    renewable: bool

    async def authorization(self, *, fresh: bool = False) -> str | None:
        """Return the header's value, read anew when ``fresh``; ``None`` when the client certificate is the proof."""
        raise NotImplementedError


async def load(*, kubeconfig: Path | str | None, context: str | None) -> Access:
    """Return the access from a kubeconfig, or from the pod's service account when there is none.

    Raises:
        errors.Unauthorized: there are no credentials, or they cannot be read.
    """
    raise NotImplementedError
