"""A Function that is being written: every value is checked before it goes in, and the ledger says what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mayfly.migrate import ledger, text
from mayfly.model import names

MAX_ENV = 128
MAX_TRIGGERS = 32
MAX_VOLUMES = 32
_DEFAULT_MAX = 20
_ORDER = (
    "source", "runtime", "handler", "signature", "env", "envFrom", "volumes", "resources", "timeout", "scaling", "http",
    "triggers", "delivery",
)  # fmt: skip


@dataclass(slots=True)
class Draft:
    """One Function on its way: where it comes from, and what is known of it.

    ``folder`` is where its code lies, relative to the root of what is read, None when it is an image. ``blocked`` says
    why no manifest can be written, empty when one can. ``steps`` are commands that the author has to run.
    """

    file: str
    original: str
    line: int | None
    folder: str | None
    name: str = ""
    book: ledger.Ledger = field(default_factory=ledger.Ledger)
    fields: dict[str, Any] = field(default_factory=dict)
    env: dict[str, dict[str, Any]] = field(default_factory=dict)
    env_from: list[dict[str, Any]] = field(default_factory=list)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    triggers: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    blocked: str = ""

    def put(self, node: text.Node, path: str, value: Any, how: str = "") -> None:
        """Set the spec's field ``path``, such as ``scaling.min``, and say so."""
        target = self.fields
        *parents, last = path.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
        self.book.carry(node, f"spec.{path}", how)

    def find(self, path: str) -> Any:
        """Return what the spec's field ``path`` is so far, None when nothing."""
        target: Any = self.fields
        for key in path.split("."):
            target = target.get(key) if isinstance(target, dict) else None
        return target

    def need_secret(self, name: str, key: str) -> None:
        """Remember that the author has to create a Secret with this key."""
        keys = self.secrets.setdefault(name, [])
        if key not in keys:
            keys.append(key)

    def to_manifest(self) -> dict[str, Any] | None:
        """Return the Function, None when it is ``blocked``."""
        if self.blocked:
            return None
        metadata: dict[str, Any] = {"name": self.name}
        if self.labels:
            metadata["labels"] = self.labels
        if self.annotations:
            metadata["annotations"] = self.annotations
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": metadata,
            "spec": self._make_spec(),
        }

    def to_steps(self) -> list[str]:
        """Return what the author has to do, with Secrets to create first."""
        creations = [
            f"kubectl create secret generic {name} {' '.join(f'--from-literal={key}=...' for key in keys)}"
            for name, keys in self.secrets.items()
        ]
        return [*creations, *self.steps]

    def _make_spec(self) -> dict[str, Any]:
        lists = {
            "env": [{"name": name, **entry} for name, entry in self.env.items()],
            "envFrom": self.env_from,
            "volumes": [{"path": path, **entry} for path, entry in self.volumes.items()],
            "triggers": self.triggers,
        }
        whole = {**self.fields, **{name: entries for name, entries in lists.items() if entries}}
        if "scaling" in whole:
            whole["scaling"] = _settle(whole["scaling"])
        return {name: whole[name] for name in _ORDER if whole.get(name)}


def _settle(scaling: dict[str, Any]) -> dict[str, Any]:
    """Return ``scaling`` with ``max`` raised to ``min``: the API server refuses a ``min`` above it."""
    most = scaling.get("max", _DEFAULT_MAX)
    if most and scaling.get("min", 0) > most:
        return {**scaling, "max": scaling["min"]}
    return scaling
