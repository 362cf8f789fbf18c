"""Put into a draft where it is reached, and by whom: what was not open to everybody must not become so."""

from __future__ import annotations

import re
from typing import Any

from mayfly.migrate import draft, text

_HOST = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
_PATH = re.compile(r"/[^\s?#]*")
_METHOD = re.compile("[A-Za-z]{1,32}")
_MAX_HOST = 253
_MAX_PATH = 240
_MAX_HOSTS = 16
_MAX_PATHS = 32
_MAX_METHODS = 16
_LOCAL = "cluster-local"

Draft = draft.Draft
Node = text.Node


def hide(target: Draft) -> None:
    """Let only the cluster reach it, unless it has hosts."""
    if not target.find("http.hosts"):
        target.fields.setdefault("http", {})["visibility"] = _LOCAL


def protect(target: Draft, node: Node, what: str) -> None:
    """Drop a protection that has no counterpart here, and let only the cluster reach what it protected."""
    http = target.fields.setdefault("http", {})
    http.pop("hosts", None)
    http.pop("paths", None)
    http["visibility"] = _LOCAL
    target.book.drop(
        node, f"{what}; until spec.http.auth (jwt or apiKey) says who may call, only the cluster reaches it"
    )


def host(target: Draft, node: Node, name: str) -> bool:
    """Add a host name; return whether it is one of the public kind."""
    hosts: list[str] = target.find("http.hosts") or []
    low = name.lower().rstrip(".")
    if low in hosts:
        target.book.carry(node, "spec.http.hosts")
        return True
    if target.find("http.visibility") == _LOCAL:
        target.book.replace(node, "only the cluster reaches it until it is protected; then set spec.http.hosts")
        return False
    inner = low.endswith((".cluster.local", ".svc"))
    if inner or len(low) > _MAX_HOST or len(hosts) >= _MAX_HOSTS or not _HOST.fullmatch(low):
        target.book.drop(node, f"{text.cut(name)} is not a host name outside the cluster; set spec.http.hosts")
        return False
    target.put(node, "http.hosts", [*hosts, low])
    return True


def route(target: Draft, node: Node, path: str, *, exact: bool, methods: tuple[str, ...], how: str = "") -> None:
    """Add a path of the Function's own hosts; without one it answers everything, and the remark says so."""
    wanted = " ".join([",".join(methods) or "any method", path])
    if not target.find("http.hosts"):
        target.book.replace(
            node,
            f"its own host answers every path and method; for {text.cut(wanted)} alone set spec.http.hosts and paths",
        )
        return
    paths: list[dict[str, Any]] = target.find("http.paths") or []
    if len(path) > _MAX_PATH or not _PATH.fullmatch(path) or len(paths) >= _MAX_PATHS:
        target.book.drop(node, f"{text.cut(path)} is not a path that begins with '/', or there are too many")
        return
    entry = {"path": path} | ({"exact": True} if exact else {}) | ({"methods": list(methods)} if methods else {})
    same = [old for old in paths if (old["path"], old.get("exact")) == (path, entry.get("exact"))]
    if same:
        before = same[0].pop("methods", [])
        if before and methods:
            same[0]["methods"] = sorted({*before, *methods})[:_MAX_METHODS]
        target.book.carry(node, "spec.http.paths", how)
        return
    target.put(node, "http.paths", [*paths, entry], how)


def methods_of(node: Node) -> tuple[str, ...]:
    """Return methods in capitals, each once; none where ``any`` is among them."""
    found = [one.text.upper() for one in node.each() if _METHOD.fullmatch(one.text)]
    return () if {"ANY", "ALL"} & set(found) else tuple(dict.fromkeys(found))[:_MAX_METHODS]
