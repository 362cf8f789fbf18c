"""Write a new function folder."""

from __future__ import annotations

import pathlib
import string
from importlib import resources

from mayfly.cli import exits

COMMON = "common"
_SUFFIX = ".in"
"""Template files end so, that no tool takes them for code of this package."""


def write(target: pathlib.Path, template: str, name: str) -> list[pathlib.Path]:
    """Write the files of ``template`` below ``target`` and return their paths.

    Raises:
        exits.Failed: a file cannot be written.
    """
    written = []
    for file, text in sorted(render(template, name).items()):
        path = target / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise exits.Failed(f"{str(path)!r} cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def render(template: str, name: str) -> dict[str, str]:
    """Return the files of ``template`` for a function ``name``: path -> text."""
    root = resources.files("mayfly.cli") / "templates"
    values = {"name": name, "template": template}
    return {
        entry.name.removesuffix(_SUFFIX): string.Template(entry.read_text(encoding="utf-8")).safe_substitute(values)
        for folder in (COMMON, template)
        for entry in (root / folder).iterdir()
        if entry.name.endswith(_SUFFIX)
    }
