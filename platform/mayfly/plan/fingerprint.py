"""Name everything that determines an image, without looking at the source itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from mayfly.model import build

PLAN_VERSION = 1
"""Counts up when the same request must lead to another image, so that images of older builders are not found."""


@dataclass(frozen=True)
class Environment:
    """What the builder adds to a request: digests of base image and runtime layer, and the compiling Python."""

    base: str
    runtime_layer: str
    runtime: str
    compiler: str


def make_fingerprint(request: build.BuildRequest, environment: Environment) -> str:
    """Return 64 hex digits: equal fingerprints mean equal images.

    An uploaded source is named by its digest, an inline one by its files, one outside by its URL and its commit or
    checksum, so nothing is fetched. Credentials are no part of it, nor is the Secret that holds them.
    """
    document: dict[str, Any] = request.model_dump(mode="json", exclude={"source", "runtime", "look"})
    document["source"] = _source(request.source)
    document["environment"] = asdict(environment)
    document["plan"] = PLAN_VERSION
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _source(source: build.BuildSource) -> dict[str, Any]:
    """Return the source's identity; the registry's address is not part of it."""
    if source.oci is not None:
        reference, at, digest = source.oci.ref.rpartition("@")
        return {"oci": digest if at else reference}
    if outside := source.git or source.archive:
        return {"git" if source.git else "archive": outside.model_dump(exclude={"secret"})}
    assert source.inline is not None
    return {"inline": source.inline.files}
