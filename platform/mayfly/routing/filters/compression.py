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
    *(f"text/{name}" for name in ["calendar", "css", "csv", "html", "javascript", "markdown", "plain", "vtt", "xml"]),
    *(
        f"application/{name}"
        for name in ["graphql", "javascript", "json", "ndjson", "wasm", "x-javascript", "x-ndjson", "xml", "yaml"]
    ),
    *(
        f"application/{name}+json"
        for name in ["activity", "cloudevents", "geo", "hal", "ld", "manifest", "problem", "schema", "vnd.api"]
    ),
    *(f"application/{name}+xml" for name in ["atom", "problem", "rss", "soap", "xhtml"]),
    "font/otf",
    "font/ttf",
    "image/svg+xml",
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
