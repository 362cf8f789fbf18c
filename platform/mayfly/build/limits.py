"""How large a source may be, and the accounts that hold it to that."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly import errors
from mayfly.plan import tree

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds on one source archive.

    ``ratio`` bounds what a byte of the archive may become; the first ``slack_bytes`` are free, so that a tiny archive
    of ordinary text passes.
    """

    archive_bytes: int = 50 * MEBIBYTE
    unpacked_bytes: int = 250 * MEBIBYTE
    files: int = tree.MAX_FILES
    ratio: int = 100
    slack_bytes: int = MEBIBYTE


class Account:
    """Count what an archive really yields, whatever its headers say."""

    def __init__(self, limits: Limits, archive_bytes: int) -> None:
        self._limits = limits
        self._by_ratio = archive_bytes * limits.ratio + limits.slack_bytes
        self._bytes = 0
        self._members = 0
        check_archive(limits, archive_bytes)

    def add_bytes(self, count: int) -> None:
        """Take note of ``count`` unpacked bytes.

        Raises:
            SourceError: a bound is passed.
        """
        self._bytes += count
        if self._bytes > self._limits.unpacked_bytes:
            raise errors.SourceError(
                f"the archive unpacks to more than {shown(self._limits.unpacked_bytes)};"
                " leave out data and generated files, or mount them as a volume"
            )
        if self._bytes > self._by_ratio:
            raise errors.SourceError(
                f"the archive unpacks to more than {self._limits.ratio} times its size, as only an archive bomb does;"
                " leave out files of repeated bytes"
            )

    def add_member(self) -> None:
        """Take note of one file, directory or header.

        Raises:
            SourceError: there are too many.
        """
        self._members += 1
        if self._members > self._limits.files:
            raise errors.SourceError(
                f"the archive has more than {self._limits.files} members; leave out what is not needed"
            )


def check_archive(limits: Limits, size: int) -> None:
    """Refuse an archive of more bytes than ``limits`` allow.

    Raises:
        SourceError: it is too large.
    """
    if size > limits.archive_bytes:
        raise errors.SourceError(
            f"the archive has {shown(size)}; {shown(limits.archive_bytes)} are allowed:"
            " leave out data and generated files, or mount them as a volume"
        )


def shown(count: int) -> str:
    """Return a number of bytes for people.

    >>> shown(52_428_800), shown(900)
    ('50.0 MiB', '900 bytes')
    """
    return f"{count / MEBIBYTE:.1f} MiB" if count >= MEBIBYTE else f"{count} bytes"
