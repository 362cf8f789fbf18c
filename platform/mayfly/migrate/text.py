"""What input files consist of: nodes that know their path, their line and how they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mayfly import errors

MAX_BYTES = 1024 * 1024
"""What CloudFormation takes as a template; no other format comes near."""
MAX_DEPTH = 40
MAX_NODES = 20_000
MAX_DOCUMENTS = 200
SHOWN = 80
"""Characters of a value that a message shows."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_:@$-]{1,80}")

Scalar = str | int | float | bool | None


class Unreadable(errors.SpecError):
    """A file cannot be read as what it should be; the text names file, line, value, rule and fix."""

    reason = "Unreadable"


@dataclass(frozen=True, slots=True)
class Node:
    """A value of an input file: ``fields`` is set for a mapping, ``items`` for a list, else it is a scalar.

    ``text`` is a scalar as it was written, ``tag`` its local tag without the ``!``, ``line`` counts from 1 and is None
    where the format does not tell. A node that is not in the file is false, as is null.
    """

    path: str
    value: Scalar = None
    text: str = ""
    fields: Mapping[str, Node] | None = None
    items: tuple[Node, ...] | None = None
    line: int | None = None
    tag: str = ""

    def __bool__(self) -> bool:
        return self.value is not None or self.fields is not None or self.items is not None

    def __getitem__(self, key: str) -> Node:
        found = (self.fields or {}).get(key)
        return Node(join(self.path, key)) if found is None else found

    def at(self, *keys: str) -> Node:
        """Return the node below ``keys``, one that is false where there is none."""
        node = self
        for key in keys:
            node = node[key]
        return node

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """Yield the fields of a mapping; nothing for anything else."""
        yield from (self.fields or {}).items()

    def each(self) -> tuple[Node, ...]:
        """Return the items of a list; a scalar or mapping counts as a list of one."""
        if self.items is not None:
            return self.items
        return (self,) if self else ()

    @property
    def is_scalar(self) -> bool:
        """Whether it is a text, number or truth value, without a tag."""
        return self.value is not None and not self.tag

    @property
    def flag(self) -> bool:
        """Whether it says yes."""
        return self.text.lower() in {"true", "yes", "on", "1"}

    @property
    def number(self) -> int | None:
        """Its whole number, None when it is not one."""
        return int(self.text) if self.is_scalar and _INT.fullmatch(self.text) else None

    @property
    def shown(self) -> str:
        """Its text for messages, cut; what is not a scalar by its kind."""
        if self.fields is not None:
            return "a mapping"
        return "a list" if self.items is not None else cut(self.text)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file; ``tagged`` is the first node with a local tag."""

    file: str
    root: Node
    tagged: Node | None = None


def cut(value: str) -> str:
    """Return ``value`` quoted and at most ``SHOWN`` characters long, in ASCII."""
    return ascii(value) if len(value) <= SHOWN else f"{value[:SHOWN]!a}..."


def join(path: str, key: str) -> str:
    """Return the path of a field, its name quoted where it holds a dot or blank.

    >>> join(join("functions", "resize"), "com.openfaas.scale.min")
    'functions.resize["com.openfaas.scale.min"]'
    """
    if _PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key[:SHOWN])}]"
