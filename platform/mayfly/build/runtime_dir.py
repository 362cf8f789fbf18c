"""Prepare the directory that becomes the runtime layer: ``python -m mayfly.build.runtime_dir OUT``.

It holds ``mayfly_runtime`` and the packages of ``requirements/runtime.lock``, with bytecode, and nothing that differs
from one machine to the next. The platform's image is made with it; the builder only packs what it finds.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import shutil
import tempfile
from pathlib import Path

from mayfly.build import bytecode, install
from mayfly.plan import dependencies, tree

_ROOT = Path(__file__).resolve().parents[3]
AT = "/opt/mayfly/runtime"
"""Where the directory lies in a function's image; tracebacks name files below it."""


async def prepare(out: Path, *, lock: bytes, runtime: Path, fit: dependencies.Target, cache: Path) -> None:
    """Fill the empty directory ``out``.

    ``lock`` is the text of a requirements file with hashes, ``runtime`` the package directory of ``mayfly_runtime``.

    Raises:
        DependencyError: a package of the lock cannot be installed.
    """
    source = tree.SourceTree({"requirements.txt": lock})
    plan = dependencies.plan_dependencies(source, target=fit, salt="runtime")
    with tempfile.TemporaryDirectory() as work:
        await install.install(
            plan, target=out, work=Path(work), fit=fit, installer=install.Installer(cache), on_line=lambda _: None
        )
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        await asyncio.to_thread(shutil.copytree, runtime, out / "mayfly_runtime", ignore=ignored)
        await add_bytecode(out, root=AT, work=Path(work))


async def add_bytecode(directory: Path, *, root: str, work: Path) -> int:
    """Put bytecode beside every source below ``directory`` that compiles, and return how many did.

    Packages ship files for other Python versions and templates that do not compile; they are left as they are.
    """
    paths = await asyncio.to_thread(_find_sources, directory)
    count = 0
    async for compiled in bytecode.compile_sources(
        paths, read=lambda path: (directory / path).read_bytes(), root=root, directory=work
    ):
        if compiled.problem is None:
            target = directory / bytecode.pyc_path(compiled.path)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(compiled.pyc)
            count += 1
    return count


def _find_sources(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.py") if path.is_file())


def find_platform(machine: str = "") -> str:
    """Return uv's name of the platform of function images on ``machine`` (this one's by default).

    The base image is Debian bookworm, whose glibc is 2.36 (https://packages.debian.org/bookworm/libc6).
    """
    names = {"amd64": "x86_64", "arm64": "aarch64"}
    kind = machine or platform.machine()
    return f"{names.get(kind, kind)}-manylinux_2_36"


def main() -> None:
    """Prepare the directory named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.build.runtime_dir", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="empty directory to fill")
    parser.add_argument("--lock", type=Path, default=_ROOT / "requirements" / "runtime.lock")
    parser.add_argument("--runtime", type=Path, default=_ROOT / "platform" / "mayfly_runtime")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mayfly-cache")
    given = parser.parse_args()
    fit = dependencies.Target("3.11", find_platform())
    given.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(prepare(given.out, lock=given.lock.read_bytes(), runtime=given.runtime, fit=fit, cache=given.cache))


if __name__ == "__main__":
    main()
