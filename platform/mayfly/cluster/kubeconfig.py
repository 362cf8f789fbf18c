"""Read kubeconfig files as kubectl does.

Pure but for reading the files. Format and merging:
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mayfly import errors

DEFAULT_PATH = "~/.kube/config"
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_DYNAMIC = ("exec", "auth-provider")


@dataclasses.dataclass(frozen=True)
class Context:
    """One chosen context with its cluster and user as the files say them; paths are absolute."""

    name: str
    namespace: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]

    @property
    def is_dynamic(self) -> bool:
        """Say whether a program or an identity provider must be asked for the credentials."""
        return any(key in self.user for key in _DYNAMIC)

    def as_document(self) -> dict[str, Any]:
        """Return a kubeconfig that holds this context and nothing else."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "clusters": [{"name": self.name, "cluster": dict(self.cluster)}],
            "users": [{"name": self.name, "user": dict(self.user)}],
        }


def find(explicit: Path | str | None, environ: Mapping[str, str]) -> list[Path]:
    """Return the files to read: the named one, those of ``$KUBECONFIG``, or the one in the home directory.

    Files that do not exist are left out, as kubectl does, unless one was named.
    """
    if explicit is not None:
        return [Path(explicit).expanduser()]
    named = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part] or [DEFAULT_PATH]
    return [path for path in (Path(part).expanduser() for part in named) if path.is_file()]


def read(paths: Iterable[Path], *, context: str | None) -> Context:
    """Return the context named, or the current one, out of the merged files.

    Raises:
        errors.Unauthorized: a file cannot be read or parsed, or a name in it leads nowhere.
    """
    documents = [_parse(path) for path in paths]
    where = ", ".join(str(path) for path in paths)
    name = context or next((doc["current-context"] for doc in documents if doc.get("current-context")), None)
    if not name:
        raise errors.Unauthorized(f"{where} has no current-context; choose one with --context or `kubectl config use`")
    chosen = _entry(documents, "contexts", "context", name, where)
    return Context(
        name=name,
        namespace=chosen.get("namespace") or "default",
        cluster=_entry(documents, "clusters", "cluster", chosen.get("cluster", ""), where),
        user=_entry(documents, "users", "user", chosen["user"], where) if chosen.get("user") else {},
    )


def _parse(path: Path) -> dict[str, Any]:
    """Return one file with the paths in it made absolute: they are relative to the file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise errors.Unauthorized(f"kubeconfig {str(path)!r} cannot be read: {error}") from error
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise errors.Unauthorized(f"kubeconfig {str(path)!r} must be a mapping, not {type(document).__name__}")
    for section, field in (("clusters", "cluster"), ("users", "user")):
        for entry in document.get(section) or []:
            body = entry.get(field) or {}
            for key in _PATHS:
                if body.get(key):
                    body[key] = str((path.parent / body[key]).resolve())
    return document


def _entry(documents: list[dict[str, Any]], section: str, field: str, name: str, where: str) -> dict[str, Any]:
    """Return the entry of that name; the first file that has one wins."""
    known = []
    for document in documents:
        for entry in document.get(section) or []:
            if entry.get("name") == name:
                found: dict[str, Any] = entry.get(field) or {}
                return found
            known.append(str(entry.get("name")))
    raise errors.Unauthorized(f"{where} has no {field} {name!r}; it has: {', '.join(known) or 'none'}")
