"""The Go that builds the programs: the one on the PATH if it is new enough, else one fetched into the cache.

Go publishes its releases as the module golang.org/toolchain (https://go.dev/doc/toolchain), which even the old Go of
Debian can download and check; it only has to be made executable.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from pathlib import Path

from cluster import commands, errors, layout

NEWEST = "go1.26.0"
_MODULE = f"golang.org/toolchain@v0.0.1-{NEWEST}.linux-amd64"
_SUM = "h1:1p2G5COR51f8Q3EQ4HLJQDDL2ytLEqfL/yTawB0Jr8w="
# From here on Go fetches by itself what a go.mod asks for.
_FETCHES_ITSELF = (1, 21)
DEBIAN_PACKAGE = "golang-go"


def find(places: layout.Layout) -> Path | None:
    """Return the directory of a `go` that can build everything, or None if one must be fetched."""
    found = shutil.which("go")
    if found and parse_version(_read_version(found)) >= _FETCHES_ITSELF:
        return Path(found).parent
    own = _own(places) / "bin"
    return own if (own / "go").exists() else None


def need(places: layout.Layout) -> Path:
    """Return what find() returns; raise errors.ClusterError naming the fix if that is nothing."""
    directory = find(places)
    if directory is None:
        raise errors.ClusterError(
            "Programs are built from source and there is no Go 1.21 or newer: install it (https://go.dev/doc/install)."
        )
    return directory


def fetch(places: layout.Layout) -> None:
    """Fetch a Go into the cache by the older one that Debian has, which is installed before.

    Raises: errors.ClusterError if what came is not what is pinned here.
    """
    work = places.cache / "toolchain.new"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "go.mod").write_text("module toolchain\n\ngo 1.19\n")
    words = ["go", "mod", "download", "-json", _MODULE]
    text = commands.output(words, cwd=work, env={"GOFLAGS": "-mod=mod"}, timeout_seconds=600)
    answer = json.loads(text)
    if answer["Sum"] != _SUM:
        raise errors.ClusterError(f"{_MODULE} has the checksum {answer['Sum']}, not {_SUM}; refusing to use it.")
    shutil.copytree(answer["Dir"], work / "go")
    commands.run(["chmod", "-R", "u+wX", work / "go"], log=places.logs / "toolchain.log")
    for program in (*(work / "go" / "bin").iterdir(), *(work / "go" / "pkg" / "tool").rglob("*")):
        program.chmod(0o755)
    _own(places).parent.mkdir(parents=True, exist_ok=True)
    (work / "go").rename(_own(places))
    shutil.rmtree(work)


def environment(places: layout.Layout) -> dict[str, str]:
    """Return the environment of a Go build: this Go first, static programs, unaware of version control."""
    return {
        "PATH": f"{need(places)}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOWORK": "off",
    }


@functools.cache
def read_build_version(places: layout.Layout) -> str:
    """Return the version that really builds, such as `go1.26.0`: a go.mod may ask for a newer one than is installed."""
    return commands.output(
        ["go", "env", "GOVERSION"], cwd=places.modules / "tools", env=environment(places), timeout_seconds=600
    ).strip()


def parse_version(text: str) -> tuple[int, int]:
    """Return (major, minor) of a version such as `go1.26.8`, and (0, 0) if it is none. Pure.

    >>> parse_version("go1.26.8"), parse_version("devel")
    ((1, 26), (0, 0))
    """
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@functools.cache
def _read_version(program: str) -> str:
    try:
        return commands.output([program, "version"], env={"GOTOOLCHAIN": "local"})
    except errors.CommandFailed:
        return ""


def _own(places: layout.Layout) -> Path:
    return places.cache / "programs" / NEWEST
