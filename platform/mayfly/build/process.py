"""Run a program with nothing but what it is given, and leave none of its children behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_OUTPUT_BYTES = 256 * 1024
"""Bytes of a program's output that are kept for its diagnosis."""

PASSED_ON = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
    "no_proxy", "all_proxy",
)  # fmt: skip
"""Of our own environment a program sees only how to reach the network; everything else could be a secret."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit code and its output, standard error included."""

    code: int
    output: str


def make_environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that may write below ``home``."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **passed, **extra}


@contextlib.asynccontextmanager
async def open_program(
    arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, stdin: bool, merge_errors: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yield a running program in a session of its own; at the end its whole process group is killed."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if merge_errors else asyncio.subprocess.DEVNULL,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


async def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, on_line: Callable[[str], None]
) -> Outcome:
    """Run a program to its end and return how it ended; ``on_line`` gets each line of output at once."""
    kept: list[str] = []
    size = 0
    async with open_program(
        arguments, environment=environment, directory=directory, stdin=False, merge_errors=True
    ) as process:
        assert process.stdout is not None
        async for line in _lines(process.stdout):
            on_line(line)
            size += len(line)
            if size <= MAX_OUTPUT_BYTES:
                kept.append(line)
        code = await process.wait()
    return Outcome(code, "\n".join(kept))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of ``stream``, however long: a longer one than the reader's limit comes in parts."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as rest:
            if rest.partial:
                yield rest.partial.decode(errors="replace")
            return
        except asyncio.LimitOverrunError as overrun:
            line = await stream.readexactly(overrun.consumed)
        yield line.decode(errors="replace").rstrip("\n")
