"""Pieces of Kubernetes that several formats share: lists of variables, resources, volumes."""

from __future__ import annotations

from mayfly.migrate import draft, environment, fill, text

_REFERENCES = ("secretKeyRef", "configMapKeyRef")
_SOURCES = ("secretRef", "configMapRef")

Draft = draft.Draft
Node = text.Node


def read_variables(target: Draft, node: Node) -> None:
    """Read a container's ``env``."""
    for item in node.each():
        name = item["name"].text
        found = [(kind, item.at("valueFrom", kind)) for kind in _REFERENCES if item.at("valueFrom", kind)]
        if found:
            kind, source = found[0]
            owner, key = source["name"].text, source["key"].text
            environment.reference(target, item, name, kind=kind, owner=owner, key=key, optional=source["optional"].flag)
        elif item["valueFrom"]:
            target.book.drop(item, "only keys of Secrets and ConfigMaps are references; set spec.env[].value")
        elif item["value"].is_scalar or not item["value"]:
            environment.variable(target, item, name, item["value"].text)
        else:
            target.book.drop(item, f"its value is {item['value'].shown}; a variable is a text: write it in quotes")


def read_sources(target: Draft, node: Node) -> None:
    """Read a container's ``envFrom``."""
    for item in node.each():
        found = [(kind, item[kind]) for kind in _SOURCES if item[kind]]
        if not found:
            target.book.drop(item, "neither secretRef nor configMapRef; set spec.envFrom")
            continue
        kind, source = found[0]
        environment.everything(target, item, kind=kind, owner=source["name"].text, prefix=item["prefix"].text)


def read_resources(target: Draft, node: Node) -> None:
    """Read ``requests`` and ``limits``: CPU by what is guaranteed, memory by what is the most."""
    requests, limits = node["requests"], node["limits"]
    if requests["cpu"]:
        fill.amount(target, requests["cpu"], "resources.cpu")
        if limits["cpu"]:
            target.book.replace(limits["cpu"], "CPU is guaranteed as requested, and more is used where there is more")
    elif limits["cpu"]:
        fill.amount(target, limits["cpu"], "resources.cpu", "a limit there, here what is guaranteed")
    if limits["memory"]:
        fill.amount(target, limits["memory"], "resources.memory")
        if requests["memory"]:
            target.book.replace(requests["memory"], "memory is guaranteed and limited at once, by the limit")
    elif requests["memory"]:
        fill.amount(target, requests["memory"], "resources.memory", "a request there, here the limit too")


def read_volume(target: Draft, node: Node, source: Node, path: str) -> None:
    """Read one volume of a pod (``source``) that is mounted at ``path``."""
    if owner := source.at("secret", "secretName"):
        environment.mount(target, node, path, {"secret": {"name": owner.text}})
    elif owner := source.at("configMap", "name"):
        environment.mount(target, node, path, {"configMap": {"name": owner.text}})
    elif source["emptyDir"] or "emptyDir" in (source.fields or {}):
        environment.mount(target, node, path, {"emptyDir": {}})
    else:
        target.book.drop(node, "only Secrets, ConfigMaps and emptyDir can be mounted; keep data outside the function")
