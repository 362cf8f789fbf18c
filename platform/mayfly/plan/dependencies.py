"""Decide what to install, from the files a Python project declares its dependencies in."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mayfly import errors
from mayfly.plan import requirements, tree

LAYOUT_VERSION = 1
"""Counts up when the content of dependency layers changes for the same input, so that old ones are not found."""


class Kind(StrEnum):
    """Which declaration was taken; NONE means that nothing is installed."""

    NONE = "none"
    REQUIREMENTS = "requirements.txt"
    PYPROJECT = "pyproject.toml"
    UV_LOCK = "uv.lock"
    PYLOCK = "pylock.toml"


@dataclass(frozen=True)
class Target:
    """What the wheels must fit: Python ``minor`` such as ``3.11`` and uv's name of the platform."""

    minor: str
    platform: str


@dataclass(frozen=True)
class DependencyPlan:
    """What to install for one function.

    ``wanted`` and ``constraints`` are requirement lines. With ``UV_LOCK`` they are empty and ``files`` holds the
    project's files, from which uv exports the locked set. ``hashed`` says that every line carries hashes.
    ``key`` (64 hex digits) names the resulting layer and is empty when there is nothing to install.
    """

    kind: Kind
    wanted: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    hashed: bool = False
    key: str = ""
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to install."""
        return not self.wanted and not self.files


def plan_dependencies(source: tree.SourceTree, *, target: Target, salt: str) -> DependencyPlan:
    """Return the dependencies of ``source``; a lock wins over requirements, these over ``pyproject.toml``.

    ``salt`` holds what else decides the layer: index, builder settings, a rebuild wish.

    Raises:
        DependencyError: a declaration is broken, unsupported, or could only be passed over.
    """
    for path, read in _READERS.items():
        if path in source.files:
            plan = read(source)
            if plan is not None:
                return _keyed(plan, target, salt)
    _refuse_foreign(source)
    return DependencyPlan(Kind.NONE)


def _keyed(plan: DependencyPlan, target: Target, salt: str) -> DependencyPlan:
    """Return ``plan`` with the key of its layer; the order of lines and the place of comments do not count."""
    if plan.empty:
        return plan
    document = {
        "layout": LAYOUT_VERSION,
        "wanted": sorted(plan.wanted),
        "constraints": sorted(plan.constraints),
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(plan.files.items())},
        "hashed": plan.hashed,
        "python": target.minor,
        "platform": target.platform,
        "salt": salt,
    }
    key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return DependencyPlan(**{**vars(plan), "key": key})


def _read_uv_lock(source: tree.SourceTree) -> DependencyPlan | None:
    if "pyproject.toml" not in source.files:
        raise errors.DependencyError("uv.lock: the pyproject.toml it belongs to is missing; add it")
    packages = _tables(_toml(source, "uv.lock"), "package", "uv.lock")
    for package in packages:
        _check_locked(package)
    _check_current(packages, _toml(source, "pyproject.toml").get("project"))
    files = {path: source.files[path] for path in ("pyproject.toml", "uv.lock")}
    return DependencyPlan(Kind.UV_LOCK, files=files, hashed=True)


def _check_locked(package: dict[str, Any]) -> None:
    """Refuse a locked package that does not come from an index; the project itself may be local.

    Raises:
        DependencyError: its source is a repository, a URL or a path.
    """
    origin = package.get("source", {})
    local = {"virtual", "editable"} & {*origin} and "." in origin.values()
    if "registry" not in origin and not local:
        raise errors.DependencyError(
            f"uv.lock: package {package.get('name')!r} comes from {next(iter(origin), 'nowhere')!r}, not from an index;"
            " depend on a release, or put its source beside the handler"
        )


def _check_current(packages: list[dict[str, Any]], project: Any) -> None:
    """Refuse a lock that was made before a dependency was added to the project.

    Raises:
        DependencyError: the project lists a dependency that the lock does not have.
    """
    locked = {requirements.normalise(str(package.get("name"))) for package in packages}
    listed = project.get("dependencies", []) if isinstance(project, dict) else []
    for line in listed if isinstance(listed, list) else []:
        wanted = requirements.parse_requirement(str(line), "pyproject.toml [project] dependencies")
        if wanted.name not in locked:
            raise errors.DependencyError(f"uv.lock: {wanted.name!r} of pyproject.toml is not in it; run `uv lock`")


def _read_pylock(source: tree.SourceTree) -> DependencyPlan | None:
    """Turn a PEP 751 lock into pinned requirements with hashes; its URLs are not used, the platform's index is."""
    lines: list[str] = []
    for package in _tables(_toml(source, "pylock.toml"), "packages", "pylock.toml"):
        name, version = package.get("name"), package.get("version")
        if not name or not version or {"vcs", "directory", "archive"} & {*package}:
            raise errors.DependencyError(
                f"pylock.toml: package {name!r} has no version or comes from a repository, directory or URL;"
                " lock a release from an index"
            )
        wheels = package.get("wheels", [])
        hashes = sorted(f"sha256:{w['hashes']['sha256']}" for w in wheels if "sha256" in w.get("hashes", {}))
        if not hashes:
            raise errors.DependencyError(
                f"pylock.toml: package {name!r} {version} has no wheel with a SHA-256 hash, and only wheels are"
                " installed; choose a version with wheels"
            )
        marker = f" ; {package['marker']}" if "marker" in package else ""
        lines.append(" ".join([f"{requirements.normalise(name)}=={version}{marker}", *(f"--hash={h}" for h in hashes)]))
    return DependencyPlan(Kind.PYLOCK, wanted=tuple(lines), hashed=True)


def _read_requirements(source: tree.SourceTree) -> DependencyPlan | None:
    read = requirements.read_requirements(source, "requirements.txt")
    hashed = bool(read.wanted) and all(r.hashes for r in read.wanted)
    if any(r.hashes for r in read.wanted) and not hashed:
        bare = next(r for r in read.wanted if not r.hashes)
        raise errors.DependencyError(
            f"{bare.place}: {bare.text!r} has no --hash while others have; give every requirement hashes, or none"
        )
    return DependencyPlan(
        Kind.REQUIREMENTS,
        wanted=tuple(r.line() for r in read.wanted),
        constraints=tuple(r.line() for r in read.constraints),
        hashed=hashed,
        notes=_unpinned_note(read.wanted, read.constraints),
    )


def _unpinned_note(wanted: tuple[requirements.Requirement, ...], constraints: tuple[Any, ...]) -> tuple[str, ...]:
    loose = [r.text for r in wanted if not r.pinned]
    if not loose or constraints:
        return ()
    return (f"not pinned: {', '.join(loose[:5])}; the versions found now are kept until the file changes",)


def _read_pyproject(source: tree.SourceTree) -> DependencyPlan | None:
    """Return the plan of ``[project] dependencies``; None where the file declares no project."""
    document = _toml(source, "pyproject.toml")
    project = document.get("project")
    if not isinstance(project, dict):
        return None
    if "dependencies" in project.get("dynamic", []):
        raise errors.DependencyError(
            "pyproject.toml: [project] declares its dependencies dynamic, which only running its build backend could"
            " tell; list them in [project] dependencies or add a requirements.txt"
        )
    listed = project.get("dependencies", [])
    if not isinstance(listed, list) or not all(isinstance(line, str) for line in listed):
        raise errors.DependencyError("pyproject.toml: [project] dependencies is not a list of strings; correct it")
    _refuse_foreign(source)
    if not listed:
        return None
    parsed = tuple(requirements.parse_requirement(line, "pyproject.toml [project] dependencies") for line in listed)
    return DependencyPlan(Kind.PYPROJECT, wanted=tuple(r.line() for r in parsed), notes=_unpinned_note(parsed, ()))


_READERS: dict[str, Callable[[tree.SourceTree], DependencyPlan | None]] = {
    "uv.lock": _read_uv_lock,
    "pylock.toml": _read_pylock,
    "requirements.txt": _read_requirements,
    "pyproject.toml": _read_pyproject,
}
"""File -> reader, the most exact declaration first."""

_FOREIGN = {
    "poetry.lock": "run `poetry export -f requirements.txt -o requirements.txt`",
    "pdm.lock": "run `pdm export -o requirements.txt`",
    "Pipfile.lock": "run `pipenv requirements > requirements.txt`",
    "Pipfile": "run `pipenv requirements > requirements.txt`",
    "environment.yml": "list the Python packages in requirements.txt",
}


def _refuse_foreign(source: tree.SourceTree) -> None:
    """Refuse declarations that are not read, instead of building without them.

    Raises:
        DependencyError: one is there.
    """
    for path, fix in _FOREIGN.items():
        if path in source.files:
            raise errors.DependencyError(f"{path} is not supported yet; {fix} and deploy again")
    if "pyproject.toml" in source.files:
        tool = _toml(source, "pyproject.toml").get("tool", {})
        poetry = tool.get("poetry", {}) if isinstance(tool, dict) else {}
        if isinstance(poetry, dict) and {*poetry.get("dependencies", {})} - {"python"}:
            raise errors.DependencyError(
                "pyproject.toml: [tool.poetry.dependencies] is not supported; move them to [project] dependencies, or "
                + _FOREIGN["poetry.lock"]
            )


def _toml(source: tree.SourceTree, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise errors.DependencyError(f"{path}: not valid TOML: {error}") from error


def _tables(document: dict[str, Any], key: str, path: str) -> list[dict[str, Any]]:
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise errors.DependencyError(f"{path}: {key} is not a list of tables; write the lock anew")
    if len(tables) > requirements.MAX_REQUIREMENTS:
        raise errors.DependencyError(f"{path}: more than {requirements.MAX_REQUIREMENTS} packages; split the function")
    return tables
