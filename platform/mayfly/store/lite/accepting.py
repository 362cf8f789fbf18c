"""Jobs that store new invocations."""

from __future__ import annotations

from collections.abc import Sequence

from mayfly.store import dedup, form, records
from mayfly.store.lite import unit

_FIND = "select id, fingerprint from invocations where namespace = ? and function = ? and dedup_key = ?"
_MESSAGE = "insert into messages (refs, method, path, headers, body) values (?, ?, ?, ?, ?)"
_INVOCATION = """insert into invocations (
    id, namespace, function, state, message, accepted, due, expires, kind, target, revision, parent, depth, context,
    dedup_key, fingerprint) values (?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def accept(
    work: unit.Unit, batch: Sequence[records.NewInvocation], *, now: float, together: bool = True
) -> tuple[records.Receipt, ...]:
    """Store what is new of ``batch``; ``together``: nothing of it when one is a conflict."""

    def find(key: dedup.Key) -> dedup.Known | None:
        row = work.connection.execute(_FIND, key).fetchone()
        return row and dedup.Known(*row)

    receipts = dedup.decide(batch, find, together=together)
    fresh = [one for one, receipt in zip(batch, receipts, strict=True) if receipt.verdict is records.Verdict.NEW]
    messages = _insert_messages(work, fresh)
    for one in fresh:
        _insert(work, one, messages[id(one.message)], now)
    return receipts


def _insert_messages(work: unit.Unit, fresh: Sequence[records.NewInvocation]) -> dict[int, int]:
    """Store each message once; return row numbers by the identity of the message."""
    sent: dict[int, list[records.NewInvocation]] = {}
    for one in fresh:
        sent.setdefault(id(one.message), []).append(one)
    numbers = {}
    for identity, group in sent.items():
        message = group[0].message
        row = len(group), message.method, message.path, form.write_headers(message.headers), message.body
        numbers[identity] = work.connection.execute(_MESSAGE, row).lastrowid or 0
    return numbers


def _insert(work: unit.Unit, one: records.NewInvocation, message: int, now: float) -> None:
    row = (
        *(one.id, one.namespace, one.function, message, now, one.due, one.expires, one.kind, one.target),
        *(one.revision, one.parent, one.depth, one.context, one.dedup_key, one.fingerprint),
    )
    work.connection.execute(_INVOCATION, row)
    queue = one.namespace, one.function
    work.entries.accept(queue)
    work.touch(queue)
    work.wakes = True
