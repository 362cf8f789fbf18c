"""Whose object it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.model import names


@dataclass(frozen=True, slots=True)
class Owner:
    """The Function that an object is made for."""

    namespace: str
    name: str
    uid: str


def owner_of(function: Mapping[str, Any]) -> Owner:
    """Return the owner that the Function object ``function`` is."""
    metadata = function["metadata"]
    return Owner(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"])


def make_owner_reference(owner: Owner) -> dict[str, Any]:
    """Return the reference by which the garbage collector deletes an object together with its Function.

    ``blockOwnerDeletion`` lets a foreground deletion wait for the object
    (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
    """
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_owned(obj: Mapping[str, Any], owner: Owner) -> bool:
    """Tell whether ``owner`` is the controller of ``obj``; a namesake from before a deletion is not."""
    references = obj["metadata"].get("ownerReferences") or []
    return any(reference.get("controller") and reference.get("uid") == owner.uid for reference in references)
