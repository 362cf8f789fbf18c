"""SQLite's errors as ours. Codes: https://www.sqlite.org/rescode.html."""

from __future__ import annotations

import sqlite3

from mayfly import errors

CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""What space, time or an administrator can mend while this process runs."""


def code_of(error: sqlite3.Error) -> int:
    """Return the primary result code; 0: the error came from Python's side of the library."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translate(error: sqlite3.Error, *, path: str) -> errors.StoreError:
    """Return our error for SQLite's."""
    code = code_of(error)
    if code in CORRUPT:
        return errors.StoreCorrupt(f"{path}: {error}; bring back the last backup, this file cannot be trusted.")
    if code in PASSING:
        return errors.StoreUnavailable(f"{path}: {error}; nothing was promised, try again later.")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return errors.StoreError(f"{path}: {error}; an id was used before, each invocation needs one of its own.")
    return errors.StoreError(f"{path}: {error}")
