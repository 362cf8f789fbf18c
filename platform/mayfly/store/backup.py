"""Back the embedded store up while it works, and bring a backup back: ``python -m mayfly.store.backup [--restore]``.

The backup is SQLite's own (https://www.sqlite.org/backup.html): one moment's content, however much is written
meanwhile. A backup that is brought back waits beside the file until the process starts next, and takes its place then;
the old file is kept under another name. PostgreSQL has ``pg_dump`` and its own archives.

What was settled after the backup was made is delivered again after it is brought back, and what was accepted after it
is not there: both are known by their ids.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from mayfly import errors, settings
from mayfly.store.lite import connection, schema

RESTORE = ".restore"
"""Ending of a backup that takes the file's place at the next start."""
REPLACED = ".replaced"
"""Ending of the file whose place it took."""
_LOG = ("-wal", "-shm")
"""SQLite's files beside a database: of the replaced one, and never of the backup."""


def write_backup(path: Path, out: BinaryIO) -> None:
    """Write what the store at ``path`` holds now to ``out``, as one SQLite file.

    Raises:
        errors.StoreUnavailable: there is no store, or no room for the copy.
    """
    if not path.exists():
        raise errors.StoreUnavailable(f"{path} does not exist; is this the pod with the store sqlite?")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="backup-") as scratch:
        copy = Path(scratch) / path.name
        try:
            with (
                contextlib.closing(connection.connect_reader(path)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            with copy.open("rb") as file:
                shutil.copyfileobj(file, out)
        except (sqlite3.Error, OSError) as error:
            raise errors.StoreUnavailable(f"{path} cannot be backed up: {error}") from error


def stage_restore(path: Path, backup: BinaryIO) -> int:
    """Lay ``backup`` beside the store at ``path``, for its next start, and return how many invocations it holds.

    Raises:
        errors.StoreCorrupt: it is not a sound backup of such a store; nothing was changed.
        errors.SchemaTooNew: a later version of Mayfly made it.
        errors.StoreUnavailable: there is no room for it.
    """
    staged = path.with_name(path.name + RESTORE)
    fresh = staged.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            shutil.copyfileobj(backup, file)
            file.flush()
            os.fsync(file.fileno())
        number = _check(fresh)
        fresh.replace(staged)
        connection.sync_folder(staged)
    except OSError as error:
        raise errors.StoreUnavailable(f"the backup cannot be kept: {error}") from error
    finally:
        for ending in ("", *_LOG):
            fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
    return number


def take_restore(path: Path) -> bool:
    """Put a staged backup in the place of the store at ``path``; ``False``: there is none.

    For the process that is about to open the store: nobody else may have it open.
    """
    staged = path.with_name(path.name + RESTORE)
    if not staged.exists():
        return False
    if path.exists():
        path.replace(path.with_name(path.name + REPLACED))
    for ending in _LOG:
        path.with_name(path.name + ending).unlink(missing_ok=True)
    staged.replace(path)
    connection.sync_folder(path)
    return True


def _check(path: Path) -> int:
    """Return the number of invocations in a sound file."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
            [[owner]] = opened.execute("pragma application_id").fetchall()
            if owner != schema.APPLICATION_ID:
                raise errors.StoreCorrupt("the backup is not one of Mayfly's store; give what the backup wrote, whole")
            schema.migrate(opened, path=str(path))
            [[verdict]] = opened.execute("pragma integrity_check(1)").fetchall()
            if verdict != "ok":
                raise errors.StoreCorrupt(f"the backup is damaged: {verdict}; take an older one")
            [[number]] = opened.execute("select count(*) from invocations").fetchall()
    except sqlite3.Error as error:
        raise errors.StoreCorrupt(f"the backup is no SQLite file of Mayfly: {error}; take another one") from error
    return int(number)


def main(arguments: list[str]) -> None:
    """Write a backup to standard output, or take one from standard input."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.store.backup", description=__doc__)
    parser.add_argument("--restore", action="store_true", help="take a backup from standard input for the next start")
    chosen = parser.parse_args(arguments)
    path = settings.EventingSettings().sqlite_path
    try:
        if not chosen.restore:
            write_backup(path, sys.stdout.buffer)
            return
        number = stage_restore(path, sys.stdin.buffer)
    except errors.StoreError as error:
        sys.exit(f"error: {error}")
    sys.stderr.write(f"{number} invocations; restart the process and it begins with them\n")


if __name__ == "__main__":
    main(sys.argv[1:])
