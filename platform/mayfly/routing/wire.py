"""Name, version and serialise pieces of configuration.

A protocol buffer message is the concatenation of its fields (https://protobuf.dev/programming-guides/encoding/),
so messages are put together from parts that were serialised once: the routes that several hosts share, and the
resources of a response. Pure.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105  (a type)
SCOPES = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"

_ANY_TYPE_URL, _ANY_VALUE = 1, 2
_RESOURCE_VERSION, _RESOURCE_ANY, _RESOURCE_NAME = 1, 2, 3
_RESPONSE_SYSTEM_VERSION, _RESPONSE_RESOURCES, _RESPONSE_TYPE_URL = 1, 2, 4
_RESPONSE_NONCE, _RESPONSE_REMOVED = 5, 6


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """Hold one resource: ``version`` is a hash of its content.

    ``encoded`` is an ``envoy.service.discovery.v3.Resource``.
    """

    type_url: str
    name: str
    version: str
    encoded: bytes


def field(number: int, payload: bytes | str) -> bytes:
    r"""Return a length-delimited field: tag, length, payload.

    >>> field(2, b"abc")
    b'\x12\x03abc'
    """
    data = payload.encode() if isinstance(payload, str) else payload
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def number(field_number: int, value: int) -> bytes:
    """Return a field that holds an integer, or a boolean as 0 or 1: tag, value."""
    return _varint(field_number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  (seven bits per byte)
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def serialise(message: Any) -> bytes:
    """Return the message's bytes, the same for the same content."""
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def pack(type_url: str, name: str, body: bytes) -> Resource:
    """Return the resource ``name`` with the serialised message ``body``."""
    version = hashlib.blake2b(body, digest_size=8).hexdigest()
    content = field(_ANY_TYPE_URL, type_url) + field(_ANY_VALUE, body)
    encoded = field(_RESOURCE_VERSION, version) + field(_RESOURCE_ANY, content) + field(_RESOURCE_NAME, name)
    return Resource(type_url, name, version, encoded)


def delta_response(*, type_url: str, nonce: str, resources: Iterable[Resource], removed: Iterable[str]) -> bytes:
    """Return a serialised ``envoy.service.discovery.v3.DeltaDiscoveryResponse``."""
    return b"".join(
        [
            field(_RESPONSE_SYSTEM_VERSION, nonce),
            *(field(_RESPONSE_RESOURCES, resource.encoded) for resource in resources),
            field(_RESPONSE_TYPE_URL, type_url),
            field(_RESPONSE_NONCE, nonce),
            *(field(_RESPONSE_REMOVED, name) for name in removed),
        ]
    )
