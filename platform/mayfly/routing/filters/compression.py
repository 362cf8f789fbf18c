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
from envoy.type.matcher.v3 import string_pb2

from mayfly.routing import wire
from mayfly.routing.filters import chain

LEAST_BYTES = 1024
"""Shorter answers fit a packet as they are."""
TYPES = (
    "(?i)text/(calendar|css|csv|html|javascript|markdown|plain|vtt|x-[a-z-]+|xml)"
    r"|application/((problem|ld|geo|hal|activity|manifest|schema|atom|rss|xhtml|cloudevents|vnd\.[^;+]+)\+)?(json|xml)"
    r"|application/((ecma|java)script|(x-)?ndjson|openapi|(x-)?yaml|wasm|graphql|sql|toml)"
    r"|image/svg\+xml|font/(otf|ttf)"
)
"""Media types that grow shorter. Not ``text/event-stream``, whose events are short and shall arrive one by one, and
not gRPC."""
_MATCHER_FIELD = 4
"""``CommonDirectionConfig.content_type_matcher``, which the library lacks."""
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
    types = string_pb2.StringMatcher()
    types.safe_regex.regex = TYPES
    direction.common_config.MergeFromString(wire.field(_MATCHER_FIELD, wire.serialise(types)))
    direction.MergeFromString(_WEAKEN_ETAG)
    return chain.make_filter(name, made)
