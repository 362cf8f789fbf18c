"""From pydantic's JSON schema to a structural schema as CRDs want it.

Rules of structural schemas: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = {"title", "default", "$defs", "additionalProperties"}


def make_structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of ``model``: references resolved, defaults and titles left out."""
    whole = model.model_json_schema(by_alias=True)
    return _convert(whole, whole.get("$defs", {}))


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolve(node, definitions)
    result: Schema = {key: value for key, value in node.items() if key not in _DROPPED}
    if node.get("x-kubernetes-int-or-string"):
        result.pop("anyOf", None)
    if "properties" in node:
        result["properties"] = {name: _convert(value, definitions) for name, value in node["properties"].items()}
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _convert(node["additionalProperties"], definitions) | _inline_limits(node)
    if "required" in node:
        result["required"] = sorted(node["required"])
    return result


def _resolve(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follow ``$ref`` and drop the ``null`` half of an optional type; the outer description wins."""
    outer = {key: value for key, value in node.items() if key not in {"$ref", "anyOf", "allOf"}}
    if "$ref" in node:
        return _resolve(definitions[node["$ref"].rsplit("/", 1)[1]], definitions) | outer
    for union in ("allOf", "anyOf"):
        options = [option for option in node.get(union, []) if option.get("type") != "null"]
        if len(options) == 1:
            return _resolve(options[0], definitions) | outer
    return node


def _inline_limits(node: Schema) -> Schema:
    """Bound the values of a map, so that the API server can price the CEL rules over it."""
    return {"maxLength": 262144} if node.get("x-kubernetes-validations") else {}
