"""Where the API server is and how to prove who asks.

Service account files and plain kubeconfig users (certificate, token, password) are read here: four lines each, and
the official client costs 0.6 s and 20 MB to import, which every pod and every command would pay. Users for whom a
program or an identity provider must be asked (``exec``, ``auth-provider``) go to the official client, imported then.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import datetime as dt
import os
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from mayfly import errors
from mayfly.cluster import kubeconfig as kubeconfigs

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api."""
TOKEN_SECONDS = 60.0
"""A token file is read again after so long; the kubelet renews it at 80 % of its life, which is minutes at least."""
MARGIN_SECONDS = 30.0
"""A plugin's token counts as expired so long before it is."""


class Proof(Protocol):
    """Give the ``Authorization`` header of the moment."""

    renewable: bool
    """Whether asking anew can give another answer."""

    async def header(self, *, fresh: bool) -> str | None:
        """Return the header's value, asked anew when ``fresh``; ``None`` when the client certificate is the proof."""


class Fixed:
    """Prove by a header that never changes, or by the client certificate alone."""

    renewable = False

    def __init__(self, value: str | None) -> None:
        self._value = value

    async def header(self, *, fresh: bool) -> str | None:  # noqa: ARG002
        """Return the same value each time."""
        return self._value


class TokenFile:
    """Prove by a bearer token in a file that someone else renews."""

    renewable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = ""
        self._read_at = -TOKEN_SECONDS

    async def header(self, *, fresh: bool) -> str | None:
        """Return the token, read again after ``TOKEN_SECONDS``."""
        if fresh or time.monotonic() - self._read_at >= TOKEN_SECONDS:
            try:
                self._value = self._path.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise errors.Unauthorized(f"token file {str(self._path)!r} cannot be read: {error}") from error
            self._read_at = time.monotonic()
        return f"Bearer {self._value}"


class Asked:
    """Prove by what a credential plugin or an identity provider answers, through the official client."""

    renewable = True

    def __init__(self, context: kubeconfigs.Context) -> None:
        self._context = context
        self._document = context.as_document()
        self._value: str | None = None
        self._valid_until: float | None = None
        self.certificate: tuple[str, str | None] | None = None

    async def header(self, *, fresh: bool) -> str | None:
        """Return the header, asked anew once the last answer has expired."""
        if fresh or self._valid_until is None or time.monotonic() >= self._valid_until:
            await self._ask()
        return self._value

    async def _ask(self) -> None:
        from kubernetes.aio import config  # noqa: PLC0415  (0.6 s and 20 MB, for those who need it)
        from kubernetes.aio.client import configuration  # noqa: PLC0415

        settings = configuration.Configuration()
        try:
            loader = await config.load_kube_config_from_dict(self._document, client_configuration=settings)  # type: ignore[no-untyped-call]
        except (config.ConfigException, ValueError, KeyError, OSError) as error:
            raise errors.Unauthorized(f"context {self._context.name!r}: {error}") from error
        self._value = settings.api_key.get("BearerToken")
        if settings.cert_file:
            self.certificate = (settings.cert_file, settings.key_file)
        if self._value is None and self.certificate is None:
            command = (self._context.user.get("exec") or {}).get("command", "auth-provider")
            raise errors.Unauthorized(
                f"{command!r} of context {self._context.name!r} gave no credentials; run it by hand to see why"
            )
        expiry: dt.datetime | None = getattr(loader, "exec_plugin_expiry", None)
        left = float("inf") if expiry is None else (expiry - dt.datetime.now(dt.UTC)).total_seconds()
        self._valid_until = time.monotonic() + max(MARGIN_SECONDS, left - MARGIN_SECONDS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Access:
    """Say where the API server is and hold what proves who asks.

    ``tls`` is ``None`` for plain HTTP; ``trust_env`` lets ``HTTPS_PROXY`` and its like count.
    """

    host: str
    tls: ssl.SSLContext | None
    proof: Proof
    namespace: str
    tls_server_name: str | None = None
    proxy: str | None = None
    trust_env: bool = False

    async def authorization(self, *, fresh: bool = False) -> str | None:
        """Return the ``Authorization`` header; ``None`` when the client certificate is the proof."""
        return await self.proof.header(fresh=fresh)


async def load(*, kubeconfig: Path | str | None, context: str | None) -> Access:
    """Return the access from a kubeconfig, or from the pod's service account when there is none.

    Raises:
        errors.Unauthorized: there are no credentials, or they cannot be read.
    """
    paths = kubeconfigs.find(kubeconfig, os.environ)
    if paths:
        return await from_context(kubeconfigs.read(paths, context=context))
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return from_service_account(SERVICE_ACCOUNT, os.environ)
    raise errors.Unauthorized(
        f"no cluster to speak to: $KUBECONFIG ({os.environ.get('KUBECONFIG', '')!r}) names no file,"
        f" {kubeconfigs.DEFAULT_PATH} does not exist, "
        "and this is no pod; pass --kubeconfig"
    )


def from_service_account(folder: Path, environ: Mapping[str, str]) -> Access:
    """Return the access of a pod's service account.

    Raises:
        errors.Unauthorized: the pod mounts no token (``automountServiceAccountToken: false``).
    """
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        tls = ssl.create_default_context(cafile=folder / "ca.crt")
        namespace = (folder / "namespace").read_text(encoding="ascii").strip()
    except OSError as error:
        raise errors.Unauthorized(f"this pod has no usable service account in {str(folder)!r}: {error}") from error
    return Access(
        host=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=tls,
        proof=TokenFile(folder / "token"),
        namespace=namespace,
    )


async def from_context(context: kubeconfigs.Context) -> Access:
    """Return the access that a kubeconfig's context describes.

    Raises:
        errors.Unauthorized: a certificate or key cannot be used, or no server is named.
    """
    host = str(context.cluster.get("server", "")).rstrip("/")
    if not host:
        raise errors.Unauthorized(f"the cluster of context {context.name!r} names no server")
    proof = _make_proof(context)
    certificate = None
    if isinstance(proof, Asked):
        await proof.header(fresh=False)
        certificate = proof.certificate
    try:
        tls = _make_tls(context, certificate) if host.startswith("https:") else None
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise errors.Unauthorized(f"certificates of context {context.name!r} cannot be used: {error}") from error
    return Access(
        host=host,
        tls=tls,
        proof=proof,
        namespace=context.namespace,
        tls_server_name=context.cluster.get("tls-server-name"),
        proxy=context.cluster.get("proxy-url"),
        trust_env=True,
    )


def _make_proof(context: kubeconfigs.Context) -> Proof:
    """Return the proof of a user, in the order client-go looks for it."""
    user = context.user
    if context.is_dynamic:
        return Asked(context)
    if user.get("tokenFile"):
        return TokenFile(Path(user["tokenFile"]))
    if user.get("token"):
        return Fixed(f"Bearer {user['token']}")
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return Fixed(f"Basic {base64.b64encode(pair).decode()}")
    return Fixed(None)


def _make_tls(context: kubeconfigs.Context, certificate: tuple[str, str | None] | None) -> ssl.SSLContext:
    """Return the TLS settings; a key given as data touches the disk for a moment, since OpenSSL reads files."""
    authority = _data(context.cluster, "certificate-authority")
    tls = ssl.create_default_context(
        cafile=context.cluster.get("certificate-authority") if authority is None else None,
        cadata=authority.decode("ascii") if authority is not None else None,
    )
    if context.cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        tls.load_cert_chain(*certificate)
    elif any(key.startswith("client-certificate") for key in context.user):
        with contextlib.ExitStack() as stack:
            tls.load_cert_chain(
                stack.enter_context(_as_file(context.user, "client-certificate")),
                stack.enter_context(_as_file(context.user, "client-key")),
            )
    return tls


def _data(section: Mapping[str, Any], key: str) -> bytes | None:
    """Return the decoded ``KEY-data``, which counts before the file ``KEY``; ``None`` when there is none."""
    value = section.get(f"{key}-data")
    try:
        return base64.b64decode(value, validate=True) if value else None
    except binascii.Error as error:
        raise ValueError(f"{key}-data is not base64: {error}") from error


@contextlib.contextmanager
def _as_file(section: Mapping[str, Any], key: str) -> Iterator[str]:
    """Give a path with the content of ``KEY-data`` or ``KEY``; a file made here is private and gone afterwards."""
    data = _data(section, key)
    if data is None:
        if not section.get(key):
            raise ValueError(f"{key} is missing")
        yield section[key]
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.name
