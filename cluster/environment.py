"""What the clone gets: `.cluster/kubeconfig`, `.cluster/env` and `.cluster/bin`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from cluster import layout, programs


def render(variables: Mapping[str, str], *, bin_directory: Path) -> str:
    """Return the shell-sourceable file; sourcing it twice adds its directory to PATH once. Pure."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    where = shlex.quote(str(bin_directory))
    lines.append(f'case ":$PATH:" in *:{where}:*) ;; *) export PATH={where}:"$PATH" ;; esac')
    return "\n".join(lines) + "\n"


def write(places: layout.Layout, *, kubeconfig: str, variables: Mapping[str, str], links: Mapping[str, Path]) -> None:
    """Write all three; a file that is right already is left alone."""
    bin_directory = places.output / "bin"
    bin_directory.mkdir(parents=True, exist_ok=True)
    for name, target in links.items():
        _link(bin_directory / name, target)
    _write(places.kubeconfig, kubeconfig, mode=0o600)
    everything = {"KUBECONFIG": str(places.kubeconfig), **variables}
    _write(places.output / "env", render(everything, bin_directory=bin_directory), mode=0o644)


def remove(places: layout.Layout) -> None:
    """Remove what write() wrote, and the directory if nothing else is in it."""
    bin_directory = places.output / "bin"
    for path in [places.kubeconfig, places.output / "env", places.output / "image.json", *bin_directory.glob("*")]:
        path.unlink(missing_ok=True)
    for directory in (bin_directory, places.output):
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()


def command_line_links(places: layout.Layout) -> dict[str, Path]:
    """Return the command line programs that are built here: name -> program."""
    return {
        program: programs.path(places, name, program)
        for name, members in programs.COMMAND_LINE.items()
        if programs.is_built(places, name)
        for program in members
    }


def _write(path: Path, text: str, *, mode: int) -> None:
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text)
    fresh.rename(path)


def _link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(target)
