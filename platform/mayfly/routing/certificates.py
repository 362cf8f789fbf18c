"""Read certificates from Secrets and hand them to Envoy. Pure.

The type ``kubernetes.io/tls``: https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

from envoy.config.core.v3 import config_source_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from mayfly import errors
from mayfly.routing import ingress, wire

CHAIN, KEY = PARTS = ("tls.crt", "tls.key")
PROTOCOLS = ("h2", "http/1.1")
"""What the listener speaks, best first (ALPN)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """Hold a certificate with its chain, and the private key; both PEM."""

    chain: bytes
    key: bytes = dataclasses.field(repr=False)


def parse_secret(obj: Mapping[str, Any]) -> Certificate:
    """Return the certificate of a Secret; whether the two parts belong together is not looked at.

    Raises:
        errors.InvalidRoute: a part is missing or is not base64; names the Secret, never its content.
    """
    return Certificate(chain=_decode(obj, CHAIN), key=_decode(obj, KEY))


def _decode(obj: Mapping[str, Any], part: str) -> bytes:
    metadata = obj["metadata"]
    try:
        found = base64.b64decode((obj.get("data") or {}).get(part) or "", validate=True)
    except binascii.Error:
        found = b""
    if not found:
        raise errors.InvalidRoute(
            f"Secret {metadata['namespace']}/{metadata['name']} has no {part}; give it {CHAIN} and {KEY} in PEM "
            "(type kubernetes.io/tls)"
        )
    return found


def make_secret(name: ingress.SecretName, certificate: Certificate) -> wire.Resource:
    """Return what Envoy gets when it asks for the certificate ``name``."""
    made = secret_pb2.Secret(name=str(name))
    made.tls_certificate.certificate_chain.inline_bytes = certificate.chain
    made.tls_certificate.private_key.inline_bytes = certificate.key
    return wire.pack(wire.SECRET, str(name), wire.serialise(made))


def make_context(name: ingress.SecretName, *, source: config_source_pb2.ConfigSource) -> tls_pb2.DownstreamTlsContext:
    """Return the TLS side of a listener that shows the certificate ``name`` and asks ``source`` for it."""
    return tls_pb2.DownstreamTlsContext(
        common_tls_context=tls_pb2.CommonTlsContext(
            alpn_protocols=PROTOCOLS,
            tls_params=common_pb2.TlsParameters(tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_2),
            tls_certificate_sds_secret_configs=[secret_pb2.SdsSecretConfig(name=str(name), sds_config=source)],
        )
    )
