"""Install wheels into a directory with uv; nothing of a package runs."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mayfly import errors
from mayfly.build import diagnosis, limits, process
from mayfly.plan import dependencies, requirements, tree

log = logging.getLogger(__name__)

_EXPORTED = "uv.lock"


@dataclass(frozen=True)
class Installer:
    """How packages are installed: ``index_url`` may hold credentials and is never put on a command line."""

    cache: Path
    index_url: str = ""
    max_bytes: int = 1024 * limits.MEBIBYTE
    max_cache_bytes: int = 2048 * limits.MEBIBYTE

    def find_uv(self) -> str:
        """Return the path of the uv program: beside this Python, else on the search path.

        Raises:
            DependencyError: it is not installed.
        """
        beside = Path(sys.executable).parent / "uv"
        found = str(beside) if beside.is_file() else shutil.which("uv")
        if not found:
            raise errors.DependencyError("uv is not installed beside the builder; install mayfly-faas[builder]")
        return found

    def environment(self, home: Path) -> dict[str, str]:
        """Return uv's environment: no configuration files, no secrets but the index's own.

        Packages are unpacked one after the other: where two own the same file, the winner must always be the same.
        """
        index = {"UV_DEFAULT_INDEX": self.index_url} if self.index_url else {}
        return process.make_environment(home, {"UV_CACHE_DIR": str(self.cache), "UV_HTTP_RETRIES": "2", **index})


async def install(
    plan: dependencies.DependencyPlan,
    *,
    target: Path,
    work: Path,
    fit: dependencies.Target,
    installer: Installer,
    on_line: Callable[[str], None],
) -> None:
    """Install what ``plan`` says into the empty directory ``target``; ``work`` is scratch space.

    Raises:
        DependencyError: a package does not exist, has no wheel, contradicts another, or the whole is too large.
    """
    lines, constraints = list(plan.wanted), list(plan.constraints)
    if plan.kind is dependencies.Kind.UV_LOCK:
        lines = await _export_lock(plan, work=work, installer=installer, on_line=on_line)
        if not lines:
            return
    wanted = _write(work / "requirements.txt", lines)
    arguments = [
        installer.find_uv(), "pip", "install", *_QUIET, "--python", sys.executable, "--python-version", fit.minor,
        "--python-platform", fit.platform, "--only-binary", ":all:", "--target", str(target),
        "--requirements", str(wanted),
        *(["--constraints", str(_write(work / "constraints.txt", constraints))] if constraints else []),
        *(["--require-hashes"] if plan.hashed else []),
        *(["--no-deps"] if plan.kind in _COMPLETE else []),
    ]  # fmt: skip
    await _run(arguments, work=work, installer=installer, on_line=on_line)
    await asyncio.to_thread(_tidy, target, installer.max_bytes)


_QUIET = ("--no-config", "--no-progress", "--color", "never", "--no-python-downloads")
_COMPLETE = (dependencies.Kind.UV_LOCK, dependencies.Kind.PYLOCK)
"""Locks that list every package, so that nothing is resolved anew."""


async def _export_lock(
    plan: dependencies.DependencyPlan, *, work: Path, installer: Installer, on_line: Callable[[str], None]
) -> list[str]:
    """Return the requirement lines that a uv lock stands for; uv only reads the two files here, it asks no index."""
    project = work / "project"
    project.mkdir()
    for path, content in plan.files.items():
        (project / path).write_bytes(content)
    out = work / "exported.txt"
    arguments = [
        installer.find_uv(), "export", *_QUIET, "--offline", "--frozen", "--no-dev", "--no-emit-project", "--no-header",
        "--no-annotate", "--format", "requirements.txt", "--python", sys.executable, "--project", str(project),
        "--output-file", str(out), "--quiet",
    ]  # fmt: skip
    await _run(arguments, work=work, installer=installer, on_line=on_line)
    exported = tree.SourceTree({_EXPORTED: out.read_bytes()})
    return [item.line() for item in requirements.read_requirements(exported, _EXPORTED).wanted]


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


async def trim_cache(*, work: Path, installer: Installer) -> None:
    """Empty uv's cache when it has outgrown its bound; uv itself waits for installs that use it.

    Raises:
        DependencyError: uv cannot read or empty it.
    """
    sizes: list[str] = []
    await _run([installer.find_uv(), "cache", "size", "--quiet"], work=work, installer=installer, on_line=sizes.append)
    if int(next((line for line in sizes if line.isdecimal()), "0")) > installer.max_cache_bytes:
        await _run([installer.find_uv(), "cache", "clean", "--quiet"], work=work, installer=installer, on_line=log.info)


async def _run(arguments: list[str], *, work: Path, installer: Installer, on_line: Callable[[str], None]) -> None:
    outcome = await process.run(
        arguments, environment=installer.environment(work), directory=work, on_line=_relevant(on_line)
    )
    if outcome.code:
        raise diagnosis.explain(outcome.output.replace(str(work) + "/", ""))


def _relevant(on_line: Callable[[str], None]) -> Callable[[str], None]:
    """Return ``on_line`` without what says something of the builder only."""
    return lambda line: None if line.startswith("Using CPython") else on_line(line)


def _tidy(target: Path, max_bytes: int) -> None:
    """Remove what differs between two builders: lock file, foreign bytecode, scripts that name our interpreter.

    Raises:
        DependencyError: the installed packages are larger than ``max_bytes``.
    """
    (target / ".lock").unlink(missing_ok=True)
    for cached in list(target.rglob("__pycache__")):
        shutil.rmtree(cached)
    scripts = {f"bin/{path.name}" for path in (target / "bin").glob("*") if _is_wrapper(path)}
    for script in scripts:
        (target / script).unlink()
    if scripts:
        for record in target.glob("*.dist-info/RECORD"):
            _forget(record, scripts)
        if not any((target / "bin").iterdir()):
            (target / "bin").rmdir()
    size = sum(path.lstat().st_size for path in target.rglob("*"))
    if size > max_bytes:
        raise errors.DependencyError(
            f"the dependencies take {limits.shown(size)}; {limits.shown(max_bytes)} are allowed: use smaller packages"
        )


def _is_wrapper(path: Path) -> bool:
    """Tell whether ``path`` is a generated start script: its first line names the interpreter of the builder."""
    with path.open("rb") as file:
        start = file.read(512)
    return start.startswith(b"#!") and re.search(rb"python|exec", start) is not None


def _forget(record: Path, scripts: set[str]) -> None:
    """Remove the lines of ``scripts`` from an installed package's list of files (PEP 376).

    The file is replaced, not changed: uv may have linked it to its cache.
    """
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.split(",")[0] not in scripts]
    record.unlink()
    record.write_text("".join(kept), encoding="utf-8")
