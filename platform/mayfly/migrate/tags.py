"""Put labels and annotations into a draft."""

from __future__ import annotations

import re

from mayfly.migrate import draft, secret, text
from mayfly.model import names

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"({_NAME})?")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_MAX_ANNOTATION = 4096
_MAX_COUNT = 32

Draft = draft.Draft
Node = text.Node


def label(target: Draft, node: Node, key: str) -> None:
    """Set a label of the Function."""
    if node.is_scalar and _fits(key) and _VALUE.fullmatch(node.text) and len(target.labels) < _MAX_COUNT:
        target.labels[key] = node.text
        target.book.carry(node, f"metadata.labels[{key}]")
    else:
        target.book.drop(node, f"{text.cut(key)} is not a label that can be taken over; add it to metadata.labels")


def annotation(target: Draft, node: Node, key: str) -> None:
    """Set an annotation of the Function."""
    small = len(node.text) <= _MAX_ANNOTATION and len(target.annotations) < _MAX_COUNT
    if node.is_scalar and _fits(key) and small and not secret.looks_secret(key, node.text):
        target.annotations[key] = node.text
        target.book.carry(node, f"metadata.annotations[{key}]")
    else:
        target.book.drop(node, f"{text.cut(key)} is not an annotation that can be taken over; add it by hand")


def _fits(key: str) -> bool:
    """Tell whether a key is one of Kubernetes, and not one by which this platform steers Functions."""
    domain, slash, _ = key.rpartition("/")
    own = domain == names.GROUP or domain.endswith(f".{names.GROUP}")
    return bool(_KEY.fullmatch(key)) and (not slash or bool(_DOMAIN.fullmatch(domain))) and not own
