"""What became of every field of an input."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mayfly.migrate import text

MAX_ENTRIES = 100_000
"""A hundred functions with a thousand fields each."""


class Outcome(StrEnum):
    """The fate of a field."""

    CARRIED = "carried"
    CHANGED = "changed"
    NOT_CARRIED = "not carried"


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: ``to`` names the Function's field, empty without one; ``remark`` how, or why and what to do."""

    field: str
    line: int | None
    outcome: Outcome
    to: str = ""
    remark: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the entry for programs."""
        return {
            "field": self.field,
            "line": self.line,
            "outcome": self.outcome.value,
            "to": self.to,
            "remark": self.remark,
        }


@dataclass(slots=True)
class Budget:
    """How many entries several ledgers may still make together.

    What holds for all functions of a file is told for each, so a small file could ask for a report without end.
    """

    left: int = MAX_ENTRIES


@dataclass(slots=True)
class Ledger:
    """Entries in the order in which they were made, and the paths that are settled."""

    budget: Budget = field(default_factory=Budget)
    entries: list[Entry] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def carry(self, node: text.Node, to: str, how: str = "") -> None:
        """Say that ``node`` went into the field ``to``; ``how`` makes it a change."""
        self._add(node, Outcome.CHANGED if how else Outcome.CARRIED, to, how)

    def replace(self, node: text.Node, how: str) -> None:
        """Say that the platform itself does what ``node`` asks for."""
        self._add(node, Outcome.CHANGED, "", how)

    def drop(self, node: text.Node, why: str) -> None:
        """Say that ``node`` is lost, why, and what to do."""
        self._add(node, Outcome.NOT_CARRIED, "", why)

    def settle(self, node: text.Node) -> None:
        """Take ``node`` and all below it as dealt with, without an entry."""
        self.settled.add(node.path)

    def sweep(self, node: text.Node, why: str, *, besides: Collection[str] = ()) -> None:
        """Drop what below ``node`` has no entry yet; ``besides`` are paths that others settled."""
        if node.path in self.settled or node.path in besides:
            return
        below = [*(node.fields or {}).values(), *(node.items or ())]
        if not below:
            # An empty value asks for nothing.
            if node.value is not None and node.text:
                self.drop(node, why)
            return
        for one in below:
            self.sweep(one, why, besides=besides)

    def _add(self, node: text.Node, outcome: Outcome, to: str, remark: str) -> None:
        """Add an entry; raises ``Unreadable`` when the budget is spent."""
        self.settled.add(node.path)
        self.budget.left -= 1
        if self.budget.left < 0:
            raise text.Unreadable(f"more than {MAX_ENTRIES} fields to report; name one file, or a folder below")
        self.entries.append(Entry(node.path.rstrip(": ") or "(file)", node.line, outcome, to, remark))
