"""Bytecode depends on the source alone, and bad sources do no harm."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from mayfly import errors
from mayfly.build import bytecode, compiler

SOURCES = {
    "constants.py": b"A = {'x', 'y', 'zz'}\ndef f(v, w=(1, 2, 'a')):\n    return v in {'k1', 'k2', ',', 3.5, 10**20}\n",
    "classes.py": b"class C:\n    ';'\n    def m(self, *, key=','):\n        return lambda: (self, key, ',', '')\n",
    "asyncs.py": b"async def g():\n    async with x() as y:\n        yield f'{y!r:>{10}} , '\n",
    "strings.py": "N = 'é' + 'ö'\nT = ('name', 'not an identifier!', b'b', '' , ',')\n".encode(),
}
LIBRARY = sorted(Path(os.__file__).parent.glob("*.py"))[:60]


def _compile(names: list[str], sources: dict[str, bytes], seed: str) -> dict[bytes, bytes]:
    """Run the compiler as a process of its own over ``names`` in this order."""
    records = b"".join(
        struct.pack(">II", len(name), len(sources[name])) + name.encode() + sources[name] for name in names
    )
    done = subprocess.run(
        [sys.executable, "-S", "-P", compiler.__file__],
        input=records,
        stdout=subprocess.PIPE,
        env={"PYTHONHASHSEED": seed, "NOISE": seed},
        cwd="/" if seed == "1" else None,
        umask=0o077 if seed == "1" else 0o022,
        check=True,
    )
    found, rest = {}, done.stdout
    while rest:
        name, payload = struct.unpack(">II", rest[:8])
        found[rest[8 : 8 + name]] = rest[8 + name : 8 + name + payload]
        rest = rest[8 + name + payload :]
    return found


def test_same_source_same_bytes() -> None:
    """Hash seed, directory, umask, environment and what was compiled before leave no trace in the bytecode."""
    sources = SOURCES | {path.name: path.read_bytes() for path in LIBRARY}
    one = _compile(sorted(sources), sources, seed="1")
    two = _compile(sorted(sources, reverse=True), sources, seed="4711")
    assert one == two
    assert len(one) == len(sources)


async def _all(sources: dict[str, bytes], work: Path) -> dict[str, bytecode.Compiled]:
    found = bytecode.compile_sources(list(sources), read=sources.__getitem__, root="/app", directory=work)
    async with aclosing(found):
        return {compiled.path: compiled async for compiled in found}


async def test_interpreter_takes_it(tmp_path: Path) -> None:
    """The file is an unchecked-hash pyc that imports as its source would, with the path of the image in it."""
    found = await _all({"shop.py": b"def price(): return 42\n"}, tmp_path)
    assert bytecode.pyc_path("a/shop.py") == f"a/{Path(importlib.util.cache_from_source('shop.py'))}"
    pyc = tmp_path / "shop.pyc"
    pyc.write_bytes(found["shop.py"].pyc)
    assert found["shop.py"].pyc[4:8] == b"\1\0\0\0"
    spec = importlib.util.spec_from_file_location("shop", pyc)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.price() == 42
    assert b"/app/shop.py" in pyc.read_bytes()


async def test_nothing_is_imported(tmp_path: Path) -> None:
    """Compiling is not running."""
    marker = tmp_path / "ran"
    await _all({"evil.py": f"open({str(marker)!r}, 'w')\n".encode()}, tmp_path)
    assert not marker.exists()


async def test_problem_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    """One bad file is told with its place; the others have their bytecode."""
    found = await _all({"a.py": b"x = 1\n", "b.py": b"x = (\n", "c.py": b"y = 2\n"}, tmp_path)
    assert (found["b.py"].problem.line, found["b.py"].problem.message) == (1, "'(' was never closed")
    assert found["a.py"].pyc
    assert found["c.py"].pyc


DEEP = {
    "unary": b"x = " + b"-" * 200_000 + b"1",
    "attributes": b"x = a" + b".b" * 200_000,
    "sums": b"x = 1" + b" + y" * 200_000,
    "calls": b"x = f" + b"()" * 200_000,
    "nested functions": b"".join(b" " * i + b"def f():\n" for i in range(150)) + b" " * 150 + b"pass",
}


@pytest.mark.parametrize("source", DEEP.values(), ids=DEEP)
async def test_compiler_is_brought_down_alone(source: bytes, tmp_path: Path) -> None:
    """A source made to exhaust or crash the compiler is refused by name; this process lives."""
    refused = ""
    try:
        found = await _all({"fine.py": b"x = 1\n", "deep.py": source}, tmp_path)
    except errors.SyntaxProblem as problem:
        refused = str(problem)
    assert refused.startswith("deep.py") or found["deep.py"].problem or found["deep.py"].pyc


async def test_large_file_is_left_out(tmp_path: Path) -> None:
    """Data in the shape of a module gets no bytecode, and is no error."""
    large = b"#" * (compiler.MAX_SOURCE_BYTES + 1)
    assert list(await _all({"large.py": large, "a.py": b""}, tmp_path)) == ["a.py"]
