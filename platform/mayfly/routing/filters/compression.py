"""Compress answers for clients that ask for it (RFC 9110, section 12.5.3). Pure.

Brotli before gzip: with Envoy's levels it makes JSON a third smaller for the same work. No Zstandard, since Envoy's
holds back what a stream has said until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2

from mayfly.routing.filters import chain

LEAST_BYTES = 1024
"""Shorter answers fit a packet as they are."""
TYPES = (
    "application/activity+json",
    "application/atom+xml",
    "application/cloudevents+json",
    "application/geo+json",
    "application/graphql",
    "application/hal+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/ndjson",
    "application/problem+json",
    "application/problem+xml",
    "application/rss+xml",
    "application/schema+json",
    "application/soap+xml",
    "application/vnd.api+json",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xhtml+xml",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "text/calendar",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/vtt",
    "text/xml",
)
"""Media types that grow shorter. Named one by one, since patterns cost each route 14 KB of Envoy's memory. Not
``text/event-stream``, whose events are short and shall arrive one by one."""
_WEAKEN_ETAG = b"\x30\x01"
"""``ResponseDirectionConfig.weaken_etag_on_compress: true``, field 6, which the library lacks."""


def make_filters() -> Iterator[chain.Filter]:
    """Yield a filter for each coding; when the client likes both the same, Brotli is taken."""
    yield _make("br", brotli_pb2.Brotli(), first=True)
    yield _make("gzip", gzip_pb2.Gzip(), first=False)


def _make(name: str, library: Any, *, first: bool) -> chain.Filter:
    made = compressor_pb2.Compressor(choose_first=first)
    made.compressor_library.name = name
    made.compressor_library.typed_config.Pack(library, deterministic=True)
    direction = made.response_direction_config
    direction.common_config.min_content_length.value = LEAST_BYTES
    direction.common_config.content_type.extend(TYPES)
    direction.MergeFromString(_WEAKEN_ETAG)
    return chain.make_filter(name, made)
