"""Turn values into columns and rows into values, within the limits of what is kept. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from mayfly import errors
from mayfly.store import records

INVOCATION = tuple(field.name for field in dataclasses.fields(records.Invocation))
"""Columns of an invocation that are read, in the order of the record."""
ATTEMPT = tuple(field.name for field in dataclasses.fields(records.Attempt))
_STATE = INVOCATION.index("state")
_TRIED = ATTEMPT.index("tried")


def read_invocation(row: Sequence[Any]) -> records.Invocation:
    """Return the invocation whose columns, in the order of ``INVOCATION``, begin ``row``."""
    values = list(row[: len(INVOCATION)])
    values[_STATE] = records.State(values[_STATE])
    return records.Invocation(*values)


def read_attempt(row: Sequence[Any]) -> records.Attempt:
    """Return the attempt whose columns, in the order of ``ATTEMPT``, begin ``row``."""
    values = list(row[: len(ATTEMPT)])
    values[_TRIED] = records.Tried(values[_TRIED])
    return records.Attempt(*values)


def write_headers(headers: records.Headers) -> str:
    """Return headers as one text."""
    return json.dumps(headers, ensure_ascii=False, separators=(",", ":"))


def read_headers(text: str) -> records.Headers:
    """Return what ``write_headers`` was given.

    >>> read_headers(write_headers((("ce-id", "1"), ("ce-id", "2"))))
    (('ce-id', '1'), ('ce-id', '2'))
    """
    return tuple((name, value) for name, value in json.loads(text))


def check(batch: Iterable[records.NewInvocation], limits: records.Limits) -> None:
    """Refuse messages over the limit.

    Raises: errors.EventTooLarge
    """
    for one in batch:
        size = len(one.message.body) + sum(len(name) + len(value) for name, value in one.message.headers)
        if size > limits.message_bytes:
            raise errors.EventTooLarge(
                f"The message for {one.namespace}/{one.function} has {size} bytes with its headers; at most "
                f"{limits.message_bytes} are taken: send a reference to the data instead."
            )


def cut(text: str, limits: records.Limits) -> str:
    """Return ``text`` as it may be kept: no longer than the limit, without NUL (PostgreSQL's text has none)."""
    return text[: limits.text_characters].replace("\x00", "\ufffd")


def cut_result(result: records.Result, limits: records.Limits) -> records.Result:
    """Return ``result`` as it may be kept."""
    if len(result.body) <= limits.result_bytes:
        return result
    return dataclasses.replace(result, body=result.body[: limits.result_bytes], truncated=True)


TRIED = {
    records.Delivered: records.Tried.DELIVERED,
    records.Retry: records.Tried.RETRIED,
    records.Dead: records.Tried.DEAD,
}
"""Outcome -> how the attempt that led to it is remembered."""

STATES = {
    records.Delivered: records.State.DELIVERED,
    records.Retry: records.State.WAITING,
    records.Dead: records.State.DEAD,
}
"""Outcome -> the state it leads to."""
