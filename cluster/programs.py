"""Build upstream programs from their Go modules into the cache, once per pinned set."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from cluster import commands, layout, toolchain

KUBERNETES_VERSION = "v1.34.4"
KNATIVE_VERSION = "v0.50.0"

_VERSION_FLAGS = " ".join(
    f"-X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor=1 -X {package}.gitMinor=34"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
)

# The set, what it builds (`tool`: all the tools its go.mod lists), and its linker flags.
SETS = {
    "kubernetes": ("tool", f"-s -w {_VERSION_FLAGS}"),
    "etcd": ("tool", "-s -w"),
    "tools": ("tool", "-s -w"),
    "kind": ("tool", "-s -w"),
}
COMMAND_LINE = {"kubernetes": ("kubectl",), "tools": ("helm", "crane", "ko", "kubeconform")}
_LAST_PART_NAMES = {"v3": "etcd", "server": "etcd"}


def make_key(*, go_mod: bytes, go_sum: bytes, go_version: str, flags: str) -> str:
    """Return the cache key of one set of programs: 16 hex digits over everything that decides its bytes. Pure."""
    digest = hashlib.sha256()
    for part in (go_mod, go_sum, go_version.encode(), flags.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def read_key(places: layout.Layout, name: str) -> str:
    """Return the cache key of the set `name` (see SETS) with the Go at hand."""
    module = places.modules / name
    return make_key(
        go_mod=(module / "go.mod").read_bytes(),
        go_sum=(module / "go.sum").read_bytes(),
        go_version=toolchain.read_build_version(places),
        flags=" ".join(SETS.get(name, ())),
    )


def directory(places: layout.Layout, name: str) -> Path:
    """Return where the programs of a set are, built or not."""
    return places.cache / "programs" / f"{name}-{read_key(places, name)}"


def path(places: layout.Layout, set_name: str, program: str) -> Path:
    """Return the path of one program."""
    return directory(places, set_name) / program


def is_built(places: layout.Layout, name: str) -> bool:
    """Report whether the set is in the cache; it gets there whole or not at all."""
    return directory(places, name).is_dir()


def build(places: layout.Layout, name: str) -> None:
    """Build all programs of a set and move them into the cache in one rename."""
    target, flags = SETS[name]
    final = directory(places, name)
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=final.parent))
    try:
        commands.run(
            ["go", "build", "-trimpath", "-ldflags", flags, "-o", f"{work}/", target],
            log=places.logs / f"build-{name}.log",
            cwd=places.modules / name,
            env=toolchain.environment(places),
        )
        for old, new in _LAST_PART_NAMES.items():  # go names a program after its import path
            if (work / old).exists():
                (work / old).rename(work / new)
        work.chmod(0o755)
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def find_module(places: layout.Layout, set_name: str, module: str) -> Path:
    """Return the module's directory in Go's module cache, downloading it if need be."""
    where = places.modules / set_name
    text = commands.output(
        ["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=where, env=toolchain.environment(places)
    ).strip()
    if text:
        return Path(text)
    words = ["go", "mod", "download", module]
    commands.run(words, log=places.logs / "modules.log", cwd=where, env=toolchain.environment(places))
    return find_module(places, set_name, module)
