"""From ``function.yaml`` and options to the Function that is applied. Pure but for reading the file."""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import re
import sys
from typing import Any

from mayfly.cli import exits
from mayfly.model import names

FILE = "function.yaml"
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Overrides:
    """What options say about the spec; ``None`` leaves the manifest's value."""

    handler: str | None = None
    signature: str | None = None
    env: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    concurrency: int | None = None
    timeout: str | None = None
    memory: str | None = None
    cpu: str | None = None
    visibility: str | None = None


def read_folder(folder: pathlib.Path) -> Document:
    """Return the Function that ``folder/function.yaml`` describes; an empty one when there is no such file.

    Raises:
        exits.WrongUsage: the file does not hold exactly one Function.
    """
    file = folder / FILE
    if not file.is_file():
        return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {}, "spec": {}}
    documents = read_manifests(str(file))
    if len(documents) != 1:
        raise exits.WrongUsage(f"{str(file)!r} holds {len(documents)} documents; a folder is one Function")
    return documents[0]


def read_manifests(path: str) -> list[Document]:
    """Return the Functions in a YAML or JSON file, ``-`` for stdin.

    Raises:
        exits.WrongUsage: it cannot be read or holds something else.
    """
    import yaml  # noqa: PLC0415

    try:
        text = sys.stdin.read() if path == "-" else pathlib.Path(path).read_text(encoding="utf-8")
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise exits.WrongUsage(f"{path!r} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise exits.WrongUsage(f"{path!r} is not YAML: {error}") from error
    if not documents:
        raise exits.WrongUsage(f"{path!r} holds no manifest; `mayfly new NAME` writes one")
    return [_check_kind(document, path) for document in documents]


def _check_kind(document: Any, path: str) -> Document:
    found = document if isinstance(document, dict) else {}
    for field, wanted in {"apiVersion": names.API_VERSION, "kind": names.KIND}.items():
        if found.get(field) != wanted:
            raise exits.WrongUsage(
                f"{path!r}: {field} is {found.get(field)!r}, must be {wanted!r}; for other kinds use kubectl apply"
            )
    for field in ("metadata", "spec"):
        if not isinstance(found.get(field) or {}, dict):
            raise exits.WrongUsage(f"{path!r}: {field} is {found[field]!r}, must be a mapping")
    return {**found, "metadata": dict(found.get("metadata") or {}), "spec": dict(found.get("spec") or {})}


def complete(document: Document, *, namespace: str, name: str | None, fallback: str, overrides: Overrides) -> Document:
    """Return ``document`` named, placed and with the options' values; ``fallback`` is the name when nothing says one.

    Raises:
        exits.WrongUsage: the name is not one, the manifest is for another namespace, or an option has no sense.
    """
    result = copy.deepcopy(document)
    metadata = result["metadata"]
    if metadata.get("namespace", namespace) != namespace:
        raise exits.WrongUsage(
            f"the manifest is for namespace {metadata['namespace']!r}, the command for {namespace!r};"
            f" use -n {metadata['namespace']}, or leave the namespace out of the manifest"
        )
    metadata["name"] = check_name(name or metadata.get("name") or fallback)
    metadata["namespace"] = namespace
    result.pop("status", None)
    result["spec"] = _override(result["spec"], overrides)
    return result


def check_name(name: Any, *, option: str = "--name ") -> str:
    """Return ``name`` if a Function can have it; raises ``exits.WrongUsage`` with one that would do.

    ``option`` is what stands before a name on the command line, nothing where it is an argument.
    """
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) <= names.MAX_FUNCTION_NAME:
        return name
    better = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-0123456789")[: names.MAX_FUNCTION_NAME].strip("-")
    raise exits.WrongUsage(
        f"name {name!r}: at most {names.MAX_FUNCTION_NAME} lower-case letters, digits and '-', a letter first;"
        f" use {option}{better or 'hello'}"
    )


def _override(spec: Document, given: Overrides) -> Document:
    flat = {"handler": given.handler, "signature": given.signature, "timeout": given.timeout}
    nested: dict[str, dict[str, Any]] = {
        "scaling": {"min": given.min, "max": given.max, "concurrency": given.concurrency},
        "resources": {"cpu": given.cpu, "memory": given.memory},
        "http": {"visibility": given.visibility},
    }
    result = spec | {field: value for field, value in flat.items() if value is not None}
    for field, values in nested.items():
        set_values = {name: value for name, value in values.items() if value is not None}
        if set_values:
            result[field] = {**(spec.get(field) or {}), **set_values}
    if given.env:
        kept = {entry["name"]: entry for entry in spec.get("env") or []}
        result["env"] = list((kept | {entry["name"]: entry for entry in map(parse_variable, given.env)}).values())
    return result


def parse_variable(text: str) -> dict[str, str]:
    """Return the ``env`` entry that ``NAME=VALUE`` stands for.

    >>> parse_variable("CURRENCY=EUR")
    {'name': 'CURRENCY', 'value': 'EUR'}

    Raises:
        exits.WrongUsage: it has another form.
    """
    name, equals, value = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        raise exits.WrongUsage(f"--env {text!r}: write NAME=VALUE, NAME of letters, digits and '_'")
    return {"name": name, "value": value}
