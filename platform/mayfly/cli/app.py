"""The command tree. Commands are imported when they are called, so that ``--help`` and completion are fast."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import typer
from typer import core, main

from mayfly.cli import options

COMMANDS = {
    "new": "Write a new function folder from a template.",
    "deploy": "Build a folder or a manifest, run it, print its URL.",
    "list": "List functions.",
    "get": "Show one function: state, URL, image, build, conditions.",
    "invoke": "Call a function through the gateway and print its answer.",
    "logs": "Print or follow the log of a function's instances.",
    "delete": "Delete functions and all that was made for them.",
    "version": "Print the versions of the command and of the platform.",
}
"""Name -> first line of its help; each is the callable ``run`` of ``mayfly.cli.commands.NAME_command``."""

HELP = """Functions on Kubernetes: from a folder to a URL.

\b
  mayfly new hello                 write a first function
  mayfly deploy hello              build it, run it, print its URL
  mayfly invoke hello              call it
"""


class Lazy(core.TyperCommand):
    """Stand for a command until it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the command and hand over to it."""
        return load(str(self.name)).make_context(info_name, args, parent, **extra)


def load(name: str) -> core.TyperCommand:
    """Return the command ``name`` as its module defines it."""
    module = importlib.import_module(f"mayfly.cli.commands.{name}_command")
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(name, help=module.run.__doc__, no_args_is_help=False)(module.run)
    command = main.get_command(single)
    assert isinstance(command, core.TyperCommand)
    return command


def set_defaults(
    context: typer.Context,
    namespace: options.Namespace = None,
    kubeconfig_context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
) -> None:
    """Make the options before the command the defaults of those after it."""
    given = {
        "namespace": namespace,
        "context": kubeconfig_context,
        "kubeconfig": None if kubeconfig is None else str(kubeconfig),
        "output": None if output is options.Format.TABLE else output.value,
    }
    known = {name: value for name, value in given.items() if value is not None}
    context.default_map = dict.fromkeys(COMMANDS, known)


def make_command() -> core.TyperGroup:
    """Return the whole command."""
    tree = typer.Typer(
        name="mayfly",
        help=HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    tree.callback()(set_defaults)
    group = main.get_command(tree)
    assert isinstance(group, core.TyperGroup)
    for name, summary in COMMANDS.items():
        group.add_command(Lazy(name, help=summary, rich_markup_mode=None))
    return group


def invoke(args: Sequence[str], *, program: str) -> int:
    """Run the command and return its exit code; our errors and the parser's pass through."""
    result = make_command().main(args=list(args), prog_name=program, standalone_mode=False)
    return result if isinstance(result, int) else 0
