"""``mayfly new``."""

from __future__ import annotations

import pathlib
from enum import StrEnum
from typing import Annotated

import typer

from mayfly.cli import exits, manifest, scaffold, talk


class Template(StrEnum):
    """What a new function can start as."""

    HTTP = "http"
    CLOUDEVENT = "cloudevent"
    LAMBDA = "lambda"
    ASGI = "asgi"
    WSGI = "wsgi"


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the function and its folder.")] = "hello",
    template: Annotated[Template, typer.Option("--template", "-t", help="What to start from.")] = Template.HTTP,
    folder: Annotated[
        pathlib.Path | None, typer.Option("--folder", metavar="DIR", help="Folder to write. Default: NAME.")
    ] = None,
) -> None:
    """Write a new function folder from a template.

    It holds the handler, requirements.txt, function.yaml, a README and .mayflyignore. Nothing is overwritten.
    """
    manifest.check_name(name, option="")
    target = folder or pathlib.Path(name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise exits.WrongUsage(f"{str(target)!r} exists and is not empty; choose another name, or --folder")
    for path in scaffold.write(target, template.value, name):
        talk.say(f"wrote {path}")
    talk.say(f"next: mayfly deploy {target}")
