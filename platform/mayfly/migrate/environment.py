"""Put variables and mounted files into a draft; what looks like a secret is never copied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mayfly.migrate import draft, naming, secret, text
from mayfly.model import function

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = re.compile(r"MAYFLY_.*|K_.*|PORT")
_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_IMAGE_PATHS = re.compile(function.RESERVED_PATHS)
_MAX_VALUE = 32_768
_MAX_PATH = 240
_OWNER_LENGTH = 63

Draft = draft.Draft
Node = text.Node


def _refuse_name(target: Draft, name: str) -> str:
    """Return why no variable can have this name, empty when one can."""
    if not _VARIABLE.fullmatch(name):
        return f"{text.cut(name)} is no name of a variable (letters, digits, '_'); rename it in the code too"
    if _RESERVED.fullmatch(name):
        return f"{name} belongs to the platform, which sets it itself; read what it sets, or rename it"
    if name == "PYTHONPATH":
        return "PYTHONPATH belongs to the platform; put the modules into the source"
    if name in target.env:
        return f"{name} is set twice; the first one holds"
    return f"more than {draft.MAX_ENV} variables; put them into a ConfigMap" if len(target.env) >= draft.MAX_ENV else ""


def variable(target: Draft, node: Node, name: str, value: str | None = None) -> None:
    """Set a variable; what looks like a secret becomes a reference to a Secret that the author creates."""
    why = _refuse_name(target, name)
    if value is None and (node.fields is not None or node.items is not None):
        why = f"its value is {node.shown}; a variable is a text: write it as JSON in quotes"
    value = node.text if value is None else value
    if why or len(value) > _MAX_VALUE or "\0" in value:
        target.book.drop(node, why or f"its value has {len(value)} characters; mount it from a ConfigMap")
    elif secret.looks_secret(name, value):
        hidden(target, node, name, "its value looks like a secret and was not copied")
    else:
        target.env[name] = {"value": value}
        target.book.carry(node, f"spec.env[{name}]")


def hidden(target: Draft, node: Node, name: str, why: str) -> None:
    """Let a variable come from a Secret of the Function, which the author creates."""
    if problem := _refuse_name(target, name):
        target.book.drop(node, problem)
        return
    owner = naming.make_name(f"{target.name}-env", _OWNER_LENGTH)
    target.env[name] = {"valueFrom": {"secretKeyRef": {"name": owner, "key": name}}}
    target.need_secret(owner, name)
    target.book.carry(node, f"spec.env[{name}]", f"{why}: it comes from the Secret {owner}; create it")


def reference(target: Draft, node: Node, name: str, *, kind: str, owner: str, key: str, optional: bool = False) -> None:
    """Let a variable come from a key of a Secret or ConfigMap: ``kind`` is ``secretKeyRef`` or ``configMapKeyRef``."""
    why = _refuse_name(target, name)
    if not why and not (_OBJECT.fullmatch(owner) and _KEY.fullmatch(key)):
        why = f"{text.cut(owner)} with key {text.cut(key)} is not an object's name with a key; set spec.env[].valueFrom"
    if why:
        target.book.drop(node, why)
        return
    target.env[name] = {"valueFrom": {kind: {"name": owner, "key": key} | ({"optional": True} if optional else {})}}
    target.book.carry(node, f"spec.env[{name}]")


def everything(target: Draft, node: Node, *, kind: str, owner: str, prefix: str = "", how: str = "") -> None:
    """Make all keys of a Secret or ConfigMap variables: ``kind`` is ``secretRef`` or ``configMapRef``."""
    full = len(target.env_from) >= draft.MAX_VOLUMES
    if full or not _OBJECT.fullmatch(owner) or (prefix and not _PREFIX.fullmatch(prefix)):
        why = f"more than {draft.MAX_VOLUMES} of them" if full else f"{text.cut(owner)} is not an object's name"
        target.book.drop(node, f"{why}; set spec.envFrom")
        return
    target.env_from.append(({"prefix": prefix} if prefix else {}) | {kind: {"name": owner}})
    target.book.carry(node, f"spec.envFrom[{len(target.env_from) - 1}]", how)


def mount(target: Draft, node: Node, path: str, content: Mapping[str, Any], how: str = "") -> None:
    """Mount a Secret, a ConfigMap or scratch space: ``content`` is ``{"secret": {"name": ...}}`` or its like."""
    clean = path.rstrip("/")
    owner = next(iter(content.values())).get("name", "x")
    if (
        not clean.isprintable()
        or not clean.startswith("/")
        or ".." in clean
        or "//" in clean
        or not 1 < len(clean) <= _MAX_PATH
    ):
        why = f"{text.cut(path)} is not an absolute path without '..'"
    elif _IMAGE_PATHS.match(clean):
        why = f"{text.cut(path)} lies where the image keeps its own files"
    elif not _OBJECT.fullmatch(owner):
        why = f"{text.cut(owner)} is not an object's name"
    elif clean in target.volumes or len(target.volumes) >= draft.MAX_VOLUMES:
        why = f"{text.cut(path)} is mounted already, or there are more than {draft.MAX_VOLUMES}"
    else:
        target.volumes[clean] = dict(content)
        target.book.carry(node, f"spec.volumes[{clean}]", how)
        return
    target.book.drop(node, f"{why}; set spec.volumes")
