"""PostgreSQL's errors as ours. Codes: https://www.postgresql.org/docs/15/errcodes-appendix.html."""

from __future__ import annotations

import asyncpg

from mayfly import errors

FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, EOFError)
"""Everything the driver raises, connecting included."""

CORRUPT = frozenset({"XX001", "XX002"})
PASSING = ("08", "25", "40", "53", "55", "57", "58", "28", "3D", "42501")
"""Beginnings of codes: connection, read-only or broken transaction, conflict, resources, locks, shutdown, system; a
wrong password, a missing database or right as well, since an administrator can mend them while this process runs."""


def translate(error: BaseException) -> errors.StoreError:
    """Return our error for the driver's. No connection string is repeated: it may hold a password."""
    code = getattr(error, "sqlstate", None) or ""
    words = f"PostgreSQL: {error or type(error).__name__}"
    if code in CORRUPT:
        return errors.StoreCorrupt(f"{words}; bring back the last backup, this database cannot be trusted.")
    if code.startswith("23505"):
        return errors.StoreError(f"{words}; an id was used before, each invocation needs one of its own.")
    if not code or code.startswith(PASSING):
        return errors.StoreUnavailable(f"{words}; nothing was promised, try again later.")
    return errors.StoreError(words)


def is_broken(error: BaseException) -> bool:
    """Report whether the connection is not to be used again."""
    return not isinstance(error, asyncpg.PostgresError) or (error.sqlstate or "").startswith(("08", "25", "57", "58"))
