"""Inputs of every format, written for these tests, and what becomes of them.

``python -m tests.unit.migrate.samples`` writes the expected outputs anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jsonschema

from mayfly.migrate import migration
from mayfly.model import crd, function, part

HERE = pathlib.Path(__file__).parent
FORMATS = sorted(path.name for path in (HERE / "inputs").iterdir())
SCHEMA = crd.make_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
_PLACEHOLDER = {"image": "a"}


def read_files(name: str) -> dict[str, bytes]:
    root = HERE / "inputs" / name
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def to_document(found: migration.Migration) -> dict[str, Any]:
    return {
        "functions": [
            {
                "name": one.name,
                "folder": one.folder,
                "blocked": one.blocked,
                "steps": list(one.steps),
                "manifest": one.manifest,
                "entries": [entry.to_json() for entry in one.entries],
            }
            for one in found.functions
        ],
        "shared": {file: [entry.to_json() for entry in entries] for file, entries in found.shared.items()},
        "skipped": dict(found.skipped),
    }


def render(name: str) -> str:
    found = migration.migrate(read_files(name), root=name)
    return json.dumps(to_document(found), indent=1, ensure_ascii=False) + "\n"


def check_manifest(manifest: dict[str, Any]) -> None:
    """Prove that the schema, and rules that need no API server, allow a manifest whose code comes with the upload."""
    spec = {"source": _PLACEHOLDER, **manifest["spec"]}
    whole = {**manifest, "spec": spec}
    json.dumps(whole).encode()
    jsonschema.Draft202012Validator(_to_json_schema(SCHEMA)).validate(whole)
    parsed = function.FunctionSpec.model_validate(spec, extra="forbid")
    assert 1.0 <= parsed.timeout_seconds <= 600
    assert not parsed.scaling.max or parsed.scaling.min <= parsed.scaling.max
    assert 6 <= _seconds(parsed.scaling.idle) <= 3600
    assert not parsed.http.paths or parsed.http.hosts
    assert not parsed.http.hosts or parsed.http.visibility == "public"
    assert not any(host.endswith((".svc", ".cluster.local")) for host in parsed.http.hosts)
    names = [entry.name for entry in parsed.env]
    assert len(names) == len(set(names))
    assert not any(name.startswith(("MAYFLY_", "K_")) or name in {"PORT", "PYTHONPATH"} for name in names)
    assert all((entry.value is None) != (entry.value_from is None) for entry in parsed.env)
    paths = [volume.path for volume in parsed.volumes]
    assert len(paths) == len(set(paths))
    assert all((trigger.event is None) != (trigger.schedule is None) for trigger in parsed.triggers)
    keys = [trigger.name for trigger in parsed.triggers if trigger.name]
    assert len(keys) == len(set(keys))


def _seconds(text: str) -> float:
    from mayfly.model import duration  # noqa: PLC0415

    return duration.parse_duration(text)


def _to_json_schema(node: Any) -> Any:
    """Return a structural schema as plain JSON schema that refuses fields it does not know."""
    if isinstance(node, list):
        return [_to_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    result = {key: _to_json_schema(value) for key, value in node.items() if not key.startswith("x-kubernetes")}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


assert part.Part  # the schema above is made of its subclasses

if __name__ == "__main__":
    for each in FORMATS:
        (HERE / "outputs" / f"{each}.json").write_text(render(each))
