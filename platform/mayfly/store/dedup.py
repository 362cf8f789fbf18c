"""Decide which invocations of a batch are new. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mayfly.store import records

Key = tuple[str, str, str]
"""Namespace, function and dedup key."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a key stands for."""

    id: str
    fingerprint: str


def key_of(one: records.NewInvocation) -> Key | None:
    """Return the key that ``one`` would take; ``None``: it has none."""
    return None if one.dedup_key is None else (one.namespace, one.function, one.dedup_key)


def decide(
    batch: Sequence[records.NewInvocation], find: Callable[[Key], Known | None], *, together: bool
) -> tuple[records.Receipt, ...]:
    """Return a receipt for each; ``find`` tells what a key stands for in the store.

    ``together``: one conflict withholds all that would be new, and duplicates of what is withheld.
    """
    seen: dict[Key, Known] = {}
    receipts = tuple(_judge(one, seen, find) for one in batch)
    if not together or all(receipt.verdict is not records.Verdict.CONFLICT for receipt in receipts):
        return receipts
    fresh = {receipt.id for receipt in receipts if receipt.verdict is records.Verdict.NEW}
    return tuple(_withhold(receipt) if receipt.id in fresh else receipt for receipt in receipts)


def _judge(one: records.NewInvocation, seen: dict[Key, Known], find: Callable[[Key], Known | None]) -> records.Receipt:
    key = key_of(one)
    if key is None:
        return records.Receipt(records.Verdict.NEW, one.id)
    known = seen.get(key) or find(key)
    if known is None:
        seen[key] = Known(one.id, one.fingerprint)
        return records.Receipt(records.Verdict.NEW, one.id)
    same = known.fingerprint == one.fingerprint
    return records.Receipt(records.Verdict.DUPLICATE if same else records.Verdict.CONFLICT, known.id)


def _withhold(receipt: records.Receipt) -> records.Receipt:
    if receipt.verdict is records.Verdict.CONFLICT:
        return receipt
    return records.Receipt(records.Verdict.WITHHELD, receipt.id)
