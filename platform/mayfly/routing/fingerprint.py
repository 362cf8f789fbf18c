"""Compute Knative's hash of an ingress.

Knative and its conformance suite recognise a version of a route by ``ComputeHash`` of
``knative.dev/networking/pkg/ingress``: SHA-256 over the spec as Go's ``encoding/json`` writes the typed struct, then
namespace, then name. So the order and the omission of fields below are those of the Go structs. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What ``json.Marshal`` escapes beyond JSON's own rules; Python writes the rest alike."""

Shape = Callable[[Any], Any]


def ingress_hash(obj: Mapping[str, Any]) -> str:
    """Return the hash of an ingress as 64 hexadecimal digits."""
    metadata = obj["metadata"]
    spec = json.dumps(_spec(obj.get("spec") or {}), separators=(",", ":"), ensure_ascii=False)
    for character, escape in _GO_ESCAPES.items():
        spec = spec.replace(character, escape)
    return hashlib.sha256((spec + metadata["namespace"] + metadata["name"]).encode()).hexdigest()


def _struct(value: Mapping[str, Any], *fields: tuple[str, Shape]) -> dict[str, Any]:
    """Return ``fields`` of ``value`` in this order without the empty ones (Go's ``omitempty``)."""
    return {name: shape(value[name]) for name, shape in fields if value.get(name)}


def _same(value: Any) -> Any:
    return value


def _sorted(value: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(value.items()))


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    return _struct(
        spec,
        ("tls", lambda items: [_struct(item, *_TLS) for item in items]),
        ("rules", lambda items: [_rule(item) for item in items]),
        ("httpOption", _same),
    )


_TLS = (("hosts", _same), ("secretName", _same), ("secretNamespace", _same))


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    out = _struct(rule, ("hosts", _same), ("visibility", _same))
    if rule.get("http") is not None:
        paths = rule["http"].get("paths")
        out["http"] = {"paths": None if paths is None else [_path(path) for path in paths]}
    return out


def _path(path: Mapping[str, Any]) -> dict[str, Any]:
    out = _struct(path, ("path", _same), ("rewriteHost", _same), ("headers", _matches))
    splits = path.get("splits")
    out["splits"] = None if splits is None else [_split(split) for split in splits]
    return out | _struct(path, ("appendHeaders", _sorted))


def _matches(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"exact": match.get("exact", "")} for name, match in sorted(headers.items())}


def _split(split: Mapping[str, Any]) -> dict[str, Any]:
    out = {
        "serviceNamespace": split.get("serviceNamespace", ""),
        "serviceName": split.get("serviceName", ""),
        "servicePort": split.get("servicePort", 0),
    }
    return out | _struct(split, ("percent", _same), ("appendHeaders", _sorted))
