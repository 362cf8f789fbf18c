"""Fetch one folder of one commit: the pack comes over the guarded way, a child process makes files of it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mayfly import errors
from mayfly.build import extract, git, limits, process, spool, unpack, workshop
from mayfly.model import build
from mayfly.outside import download

_PROGRAM = Path(unpack.__file__)
_REFUSED = "refused: "


async def fetch(
    source: build.GitSource,
    credentials: build.Credentials | None,
    *,
    shop: workshop.Workshop,
    work: Path,
    on_line: Callable[[str], None],
) -> spool.Spool:
    """Return the files of ``source``, which is pinned to a commit; the caller closes the spool.

    Raises:
        SourceError: there is no such commit or folder, it is unsafe or too large, or the host refuses.
        SourceUnavailable: the host does not answer.
    """
    pack, packed = work / "source.pack", work / "source.tar"
    try:
        with pack.open("wb") as out:
            size = await git.fetch_pack(shop.downloads, source, credentials, out, bounds=shop.bounds)
        await _unpack(source, pack, packed, work=work, bounds=shop.bounds, on_line=on_line)
        with packed.open("rb") as archive:
            # The tar is as large as what is in it; what the server sent is what the ratio is to be held to.
            return await asyncio.to_thread(
                extract.extract, archive, bounds=_loosen(shop.bounds), directory=work, packed_bytes=size
            )
    finally:
        pack.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)


def _loosen(bounds: limits.Limits) -> limits.Limits:
    """Return ``bounds`` with room for the headers of a tar, whose bytes are counted too."""
    return replace(bounds, unpacked_bytes=bounds.unpacked_bytes + bounds.files * unpack.TAR_OVERHEAD)


async def _unpack(
    source: build.GitSource,
    pack: Path,
    packed: Path,
    *,
    work: Path,
    bounds: limits.Limits,
    on_line: Callable[[str], None],
) -> None:
    """Have the child process make the tar ``packed``.

    Raises:
        SourceError: it cannot; names what is wrong with the repository.
        BuilderUnavailable: the program itself is broken, which is not the author's to mend.
    """
    path = os.pathsep.join(filter(None, sys.path))
    words = [pack, source.revision, source.path or "", packed, bounds.files, bounds.unpacked_bytes]
    outcome = await process.run(
        [sys.executable, "-P", "-X", "utf8", str(_PROGRAM), *map(str, words)],
        environment=process.make_environment(work, {"PYTHONPATH": path}),
        directory=work,
        on_line=lambda line: None if line.startswith(_REFUSED) else on_line(line),
    )
    if outcome.code == 0:
        return
    said = next((line for line in outcome.output.splitlines() if line.startswith(_REFUSED)), None)
    if said is None and outcome.code > 0:
        last = outcome.output.strip().rpartition("\n")[2]
        raise errors.BuilderUnavailable(f"the builder cannot unpack repositories: {last}; its operator must mend it")
    why = said.removeprefix(_REFUSED) if said else "it takes more memory or time than a source may"
    raise errors.SourceError(f"{download.show(source.url)} at {source.revision}: {why}")
