"""Open the database the way its promises need it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from pathlib import Path

from mayfly import errors

BUSY_SECONDS = 5.0
"""How long to wait for a lock that someone else's reading or backing up holds."""
_WRITER = (
    "pragma journal_mode = wal",
    # FULL: the log is synced before every commit returns; NORMAL would lose the tail at a power cut.
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 4000",
    "pragma journal_size_limit = 67108864",
    "pragma cache_size = -16384",
    "pragma foreign_keys = off",
)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Return the one connection that writes, in autocommit: transactions are begun and ended by hand."""
    connection = _connect(path)
    try:
        for statement in _WRITER:
            connection.execute(statement)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that refuses to write."""
    connection = _connect(path)
    connection.execute("pragma query_only = on")
    connection.execute("pragma cache_size = -4096")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def take_lock(path: Path, *, patience_seconds: float) -> int:
    """Return the descriptor of a lock that one process holds, so that two never write: keep it, closing it lets go.

    An old process may still be ending when the new one starts: wait for it that long.

    Raises: errors.StoreUnavailable
    """
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise errors.StoreUnavailable(f"{lock}: {error.strerror}; the folder has to exist and be writable.") from error
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise errors.StoreUnavailable(
                    f"{path} is held by another process: SQLite has one writer; stop the other or use PostgreSQL."
                ) from None
            time.sleep(0.05)
        else:
            return descriptor


def sync_folder(path: Path) -> None:
    """Sync the folder of ``path``, so that the files made there are found after a power cut."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot, and need not
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
