"""Pack files into the layers of a function's image: runtime, dependencies, code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from mayfly.build import bytecode, spool
from mayfly.image import entry, layer, tar
from mayfly.plan import tree

RUNTIME = "opt/mayfly/runtime"
DEPENDENCIES = "opt/mayfly/dependencies"
CODE = "app"
_IN_MEMORY_BYTES = 4 * 1024 * 1024


def pack_runtime(directory: Path, storage: BinaryIO) -> layer.Layer:
    """Return the layer of a prepared runtime directory (see ``runtime_dir``); its bytes are in ``storage``."""
    return tar.make_layer(entry.make_tree(directory, RUNTIME), storage, created_by="mayfly: runtime")


def pack_dependencies(directory: Path, storage: BinaryIO, *, key: str) -> layer.Layer:
    """Return the layer of installed packages; its bytes are in ``storage``."""
    entries = entry.make_tree(directory, DEPENDENCIES)
    return tar.make_layer(entries, storage, created_by=f"mayfly: dependencies {key[:12]}")


def pack_code(source: tree.SourceTree, compiled: Mapping[str, bytes], storage: BinaryIO) -> layer.Layer:
    """Return the layer of the function's own files and their bytecode (path of the source -> ``.pyc``)."""
    return tar.make_layer(_code_entries(source, compiled), storage, created_by="mayfly: code")


def _code_entries(source: tree.SourceTree, compiled: Mapping[str, bytes]) -> Iterable[entry.Entry]:
    yield entry.make_directory(CODE)
    for path in source.files:
        at = entry.check_path(f"{CODE}/{path}")
        if isinstance(source.files, spool.Spool):
            mode = 0o755 if path in source.executable else 0o644
            size, content = source.files.size(path), partial(source.files.open, path)
            yield entry.Entry(path=at, kind=entry.Kind.FILE, mode=mode, size=size, open=content)
        else:
            yield entry.make_file(at, source.files[path], executable=path in source.executable)
    for path, pyc in compiled.items():
        yield entry.make_file(f"{CODE}/{bytecode.pyc_path(path)}", pyc)


def open_storage(work: Path) -> BinaryIO:
    """Return an empty file for a layer: in memory while it is small, else without a name below ``work``.

    The caller closes it when the layer was pushed.
    """
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=str(work)))
