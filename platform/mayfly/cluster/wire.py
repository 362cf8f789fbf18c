"""What goes over the wire to the API server and what comes back, as values.

Pure. https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from mayfly import errors
from mayfly.cluster import answer

Object = dict[str, Any]
"""One object of the API, as its JSON says."""
Objects = list[Object]
Propagation = Literal["Background", "Foreground", "Orphan"]
Validation = Literal["Strict", "Warn", "Ignore"]


class Page(NamedTuple):
    """One page of a list: its objects and the resourceVersion that all pages of that list share."""

    items: Objects
    resource_version: str


class Change(NamedTuple):
    """One event of a watch; a BOOKMARK's object carries nothing but its resourceVersion.

    ERROR never leaves ``Cluster.watch``: it is raised.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: Object


def make_delete_options(propagation: Propagation, *, uid: str | None, resource_version: str | None) -> Object:
    """Return the body of a deletion; ``uid`` and ``resource_version`` say which object alone is meant."""
    options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    if preconditions := drop_absent({"uid": uid, "resourceVersion": resource_version}):
        options["preconditions"] = preconditions
    return options


def make_status(obj: Mapping[str, Any]) -> Object:
    """Return ``obj`` with its identity and its status alone; a ``metadata.resourceVersion`` stays in force."""
    identity = ("name", "namespace", "uid", "resourceVersion")
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {name: obj["metadata"][name] for name in identity if name in obj["metadata"]},
        "status": obj.get("status", {}),
    }


def make_token_request(audiences: list[str] | None, expiry_seconds: int) -> Object:
    """Return a TokenRequest; no audience means the API server's own."""
    spec = {"audiences": audiences or [], "expirationSeconds": expiry_seconds}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def parse_change(line: bytes) -> Change:
    """Return the event that one line of a watch holds.

    Raises:
        errors.ClusterError: the line is an ERROR event; ``Expired`` for 410.
        errors.Unreachable: the line is no event, so the stream was cut.
    """
    try:
        document = json.loads(line)
        change = Change(document["type"], document["object"])
    except (ValueError, KeyError, TypeError) as error:
        raise errors.Unreachable("a watch of the Kubernetes API broke off inside an event") from error
    if change.type == "ERROR":
        raise answer.failure(status=int(change.object.get("code") or 500), body=change.object)
    return change


def namespace_of(obj: Mapping[str, Any]) -> str | None:
    """Return the namespace an object names, or ``None``."""
    return obj["metadata"].get("namespace") if "metadata" in obj else None


def selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    """Return the query of a list or a watch for those objects only."""
    return drop_absent({"labelSelector": labels or None, "fieldSelector": fields or None})


def watch_query(seconds: float, resource_version: str | None) -> dict[str, str]:
    """Return the query of a watch with bookmarks that the server ends after ``seconds``."""
    query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(max(1, int(seconds)))}
    return query | drop_absent({"resourceVersion": resource_version})


def write_query(*, manager: str | None, dry_run: bool = False) -> dict[str, str]:
    """Return the query of a write."""
    return drop_absent({"fieldManager": manager, "dryRun": "All" if dry_run else None})


def drop_absent(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return ``values`` without those that are ``None``.

    >>> drop_absent({"a": "1", "b": None})
    {'a': '1'}
    """
    return {name: value for name, value in values.items() if value is not None}
