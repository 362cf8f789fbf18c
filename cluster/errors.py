"""The errors a user of the local cluster can meet."""

from __future__ import annotations

from pathlib import Path


class ClusterError(Exception):
    """Say what is wrong, which rule it breaks and how to fix it."""


class CommandFailed(ClusterError):
    """A sub-command failed; carry its command line and the end of its log."""

    def __init__(self, *, argv: list[str], code: int, log: Path | None, tail: str) -> None:
        self.argv = argv
        self.code = code
        self.log = log
        where = f"\nIts log: {log}" if log else ""
        super().__init__(f"`{' '.join(argv)[:300]}` ended with code {code}.{where}\n{tail}".rstrip())


class Interrupted(ClusterError):
    """The user pressed Ctrl-C while a sub-command ran."""
