"""Bytecode for many sources, from ``compiler.py`` in a child process."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mayfly import errors
from mayfly.build import compiler, process
from mayfly.plan import syntax

_LENGTHS = struct.Struct(">II")
_PROGRAM = Path(compiler.__file__)


@dataclass(frozen=True)
class Compiled:
    """What became of one source: ``pyc`` is the bytecode file, or ``problem`` says why there is none."""

    path: str
    pyc: bytes = b""
    problem: syntax.Problem | None = None


def pyc_path(path: str) -> str:
    """Return where the interpreter looks for the bytecode of ``path`` (PEP 3147).

    >>> pyc_path("shop/api.py").replace(sys.implementation.cache_tag, "TAG")
    'shop/__pycache__/api.TAG.pyc'
    """
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


async def compile_sources(
    paths: Sequence[str], *, read: Callable[[str], bytes], root: str, directory: Path
) -> AsyncGenerator[Compiled, None]:
    """Yield the bytecode of each of ``paths`` in order; ``read`` gives the source and ``root`` is where it will lie.

    Files larger than ``compiler.MAX_SOURCE_BYTES`` are left out.

    Raises:
        SyntaxProblem: a file brought the compiler down.
    """
    arguments = [sys.executable, "-I", "-S", "-X", "utf8", str(_PROGRAM)]
    environment = process.make_environment(directory, {"PYTHONHASHSEED": "0"})
    done = 0
    async with process.open_program(
        arguments, environment=environment, directory=directory, stdin=True, merge_errors=False
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        feeding = asyncio.create_task(_feed(child.stdin, paths, read, root))
        try:
            while answer := await _read_answer(child.stdout):
                name, payload = answer
                done += 1
                yield _interpret(name.removeprefix(f"{root}/"), payload)
        finally:
            feeding.cancel()
            sent = (await asyncio.gather(feeding, return_exceptions=True))[0]
    if isinstance(sent, BaseException) and not isinstance(sent, ConnectionError | asyncio.CancelledError):
        raise sent
    small = [path for path in paths if len(read(path)) <= compiler.MAX_SOURCE_BYTES] if done < len(paths) else []
    if done < len(small):
        raise errors.SyntaxProblem(f"{small[done]}: the Python compiler fails on this file; simplify it")


async def _feed(stdin: asyncio.StreamWriter, paths: Sequence[str], read: Callable[[str], bytes], root: str) -> None:
    for path in paths:
        source = await asyncio.to_thread(read, path)
        if len(source) > compiler.MAX_SOURCE_BYTES:
            continue
        name = f"{root}/{path}".encode()
        stdin.write(_LENGTHS.pack(len(name), len(source)) + name + source)
        await stdin.drain()
    stdin.close()


async def _read_answer(stdout: asyncio.StreamReader) -> tuple[str, bytes] | None:
    try:
        name, payload = _LENGTHS.unpack(await stdout.readexactly(_LENGTHS.size))
        return (await stdout.readexactly(name)).decode(), await stdout.readexactly(payload)
    except asyncio.IncompleteReadError:
        return None


def _interpret(path: str, payload: bytes) -> Compiled:
    if payload[:1] == b"c":
        return Compiled(path, pyc=payload[1:])
    return Compiled(path, problem=syntax.Problem(**json.loads(payload[1:])))
