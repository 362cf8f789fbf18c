"""Compile Python sources to bytecode: the program of a child process, run as ``python -I -S compiler.py``.

It reads records from standard input and answers each on standard output; a record is two lengths (4 bytes, big-endian)
and as many bytes: first the file name, then the source. The answer is the name and a payload whose first byte says
what follows: ``c`` a complete ``.pyc`` file, ``e`` a JSON object with message, line, column and text.

A process of its own, because the compiler can be brought down by its input ("it is possible to crash the Python
interpreter", https://docs.python.org/3.11/library/ast.html#ast.parse) and cannot be interrupted within a thread. It
imports nothing but the standard library and nothing of the sources.

**Same source, same bytes.** ``marshal`` marks an object for later reference only if someone else holds it too, which
depends on what the process did before. So every object of a code object is held while it is written, and the
one-character strings, which the interpreter shares, are interned beforehand. Sets are written sorted since 3.11.
The file is of the unchecked-hash kind (PEP 552): it holds no time, and the interpreter does not look at the source.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import resource
import struct
import sys
import types
import warnings
from typing import BinaryIO

MAX_SOURCE_BYTES = 4 * 1024 * 1024
"""Larger files are data; they are left without bytecode."""
_UNCHECKED_HASH = 0b01
MAX_MEMORY_BYTES = 1024 * 1024 * 1024
MAX_CPU_SECONDS = 120
_LENGTHS = struct.Struct(">II")


def main() -> None:
    """Answer records until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    interned = [sys.intern(chr(code)) for code in range(256)]
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while record := read_record(source):
        name, content = record
        write_record(target, name, compile_file(name.decode(), content))
    assert interned


def read_record(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Return (name, content) from ``stream``, None at its end."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    name, content = _LENGTHS.unpack(lengths)
    return stream.read(name), stream.read(content)


def write_record(stream: BinaryIO, name: bytes, content: bytes) -> None:
    """Write one record and push it out."""
    stream.write(_LENGTHS.pack(len(name), len(content)) + name + content)
    stream.flush()


def compile_file(name: str, source: bytes) -> bytes:
    """Return the payload for one file: ``c`` and a ``.pyc``, or ``e`` and what is wrong."""
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        return _problem(error.msg, error.lineno, error.offset, error.text)
    except ValueError as error:  # null bytes
        return _problem(str(error))
    except (RecursionError, MemoryError):
        return _problem("nested too deeply for the compiler; split the expression")
    return b"c" + _make_pyc(code, source)


def _make_pyc(code: types.CodeType, source: bytes) -> bytes:
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", _UNCHECKED_HASH) + importlib.util.source_hash(source)
    held: list[object] = []
    _hold(code, held)
    return header + marshal.dumps(code)


def _hold(value: object, held: list[object]) -> None:
    """Put ``value`` and what it consists of into ``held``, so that none of it has a single holder."""
    held.append(value)
    if isinstance(value, types.CodeType):
        parts = [getattr(value, name) for name in _PARTS]
        held.extend(parts)
        for part in parts:
            if isinstance(part, tuple):
                _hold(part, held)
    elif isinstance(value, tuple | frozenset):
        for part in value:
            _hold(part, held)


_PARTS = (
    "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_filename", "co_name", "co_qualname",
    "co_linetable", "co_exceptiontable",
)  # fmt: skip


def _problem(message: str, line: int | None = None, column: int | None = None, text: str | None = None) -> bytes:
    document = {"message": message, "line": line, "column": column, "text": (text or "")[:400]}
    return b"e" + json.dumps(document).encode()


if __name__ == "__main__":
    main()
