"""What every reader needs: the files, drafts with names, places of code, fields that have a fixed fate."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mayfly.migrate import draft, ledger, naming, text

UNKNOWN = "not a field that migrate knows; look in docs/functions.md for what does the same"
OUTSIDE = "its code lies outside of what was read; run migrate on a folder that holds both"
_PATH = re.compile(r"[^\x00-\x1f\x7f\\]{1,240}")


@dataclass(slots=True)
class Reading:
    """Everything that is read in one go: ``files`` by path relative to the folder called ``root``."""

    files: Mapping[str, bytes]
    root: str
    drafts: list[draft.Draft] = field(default_factory=list)
    books: dict[str, ledger.Ledger] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    budget: ledger.Budget = field(default_factory=ledger.Budget)

    def book(self, file: str) -> ledger.Ledger:
        """Return the ledger of what a file says about no function in particular."""
        return self.books.setdefault(file, ledger.Ledger(self.budget))

    def begin(self, file: str, named: text.Node, original: str, folder: str | None) -> draft.Draft:
        """Return a new draft; ``named`` is the node that gives it its name, or the one nearest to that."""
        book = ledger.Ledger(self.budget)
        made = draft.Draft(file=file, original=original, line=named.line, folder=folder, book=book)
        made.name = naming.make_unique(naming.make_name(original), self.taken)
        self.taken.add(made.name)
        self.drafts.append(made)
        if made.name == original:
            made.book.carry(named, "metadata.name")
        else:
            made.book.carry(
                named,
                "metadata.name",
                f"{text.cut(original)} is now {made.name}: at most 52 lower-case letters, digits and '-', each once",
            )
        return made


def place(file: str, path: str) -> str | None:
    """Return the folder that ``path`` in ``file`` means, relative to the root; None when it lies outside.

    >>> place("shop/stack.yml", "./resize/"), place("stack.yml", "../resize")
    ('shop/resize', None)
    """
    if path.startswith("/") or not _PATH.fullmatch(path):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    if found == ".." or found.startswith("../"):
        return None
    return "" if found == "." else found


def settle(book: ledger.Ledger, node: text.Node, fates: Mapping[str, str]) -> None:
    """Say of each field of ``node`` that ``fates`` names that the platform does it itself, or why it is lost.

    A fate that begins with ``!`` is a loss; an empty one needs no entry.
    """
    for name, fate in fates.items():
        found = node[name]
        if not found or found.path in book.settled:
            continue
        if not fate:
            book.settle(found)
        elif fate.startswith("!"):
            book.drop(found, fate[1:])
        else:
            book.replace(found, fate)


def rebase(node: text.Node, prefix: str) -> text.Node:
    """Return ``node`` with every path behind ``prefix``, so that several inputs of one Function stay apart."""
    return text.Node(
        f"{prefix}{node.path}",
        node.value,
        node.text,
        None if node.fields is None else {key: rebase(one, prefix) for key, one in node.fields.items()},
        None if node.items is None else tuple(rebase(one, prefix) for one in node.items),
        node.line,
        node.tag,
    )
