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
    "events send": "Send an event to every function that wants it.",
    "events tail": "Print the newest invocations, a line each.",
    "invocations list": "List events and calls on their way, and what became of them.",
    "invocations get": "Show one invocation with its attempts.",
    "invocations result": "Print what the function answered.",
    "invocations logs": "Print what the instances wrote while they worked on an invocation.",
    "invocations cancel": "Give up what waits or is under way.",
    "invocations redrive": "Have a dead invocation wait again.",
    "invocations replay": "Send the message of a settled invocation once more.",
    "dlq list": "List dead letters: what was given up, and why.",
    "dlq show": "Show a dead letter with its attempts and its message.",
    "dlq redrive": "Have dead letters wait again.",
    "dlq purge": "Delete dead letters for good.",
    "migrate": "Write Functions from what other platforms deploy from, and report what is lost.",
    "version": "Print the versions of the command and of the platform.",
}
"""Name -> first line of its help; each is the callable ``run`` of ``mayfly.cli.commands.NAME_command``. Two words are a
group and its command."""

GROUPS = {
    "events": "Send events and watch what they cause.",
    "invocations": "Read and steer deliveries of events and asynchronous calls.",
    "dlq": "Look after what could not be delivered.",
}

HELP = """Functions on Kubernetes: from a folder to a URL.

\b
  mayfly new hello                 write a first function
  mayfly deploy hello              build it, run it, print its URL
  mayfly invoke hello              call it
"""


class Lazy(core.TyperCommand):
    """Stand for a command until it is called; ``key`` is its name in ``COMMANDS``."""

    def __init__(self, key: str) -> None:
        super().__init__(key.rpartition(" ")[2], help=COMMANDS[key], rich_markup_mode=None)
        self.key = key

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the command and hand over to it."""
        return load(self.key).make_context(info_name, args, parent, **extra)


def load(key: str) -> core.TyperCommand:
    """Return the command ``key`` as its module defines it."""
    module = importlib.import_module(f"mayfly.cli.commands.{key.replace(' ', '_')}_command")
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(key.rpartition(" ")[2], help=module.run.__doc__, no_args_is_help=False)(module.run)
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
    context.default_map = {}
    for key in COMMANDS:
        group, _, name = key.rpartition(" ")
        (context.default_map.setdefault(group, {}) if group else context.default_map)[name] = known


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
    top = main.get_command(tree)
    assert isinstance(top, core.TyperGroup)
    for key in COMMANDS:
        group, _, _ = key.rpartition(" ")
        (_find_group(top, group) if group else top).add_command(Lazy(key))
    return top


def _find_group(top: core.TyperGroup, name: str) -> core.TyperGroup:
    """Return the group ``name``, made when its first command asks for it."""
    if name not in top.commands:
        made = core.TyperGroup(name=name, help=GROUPS[name], rich_markup_mode=None, no_args_is_help=True)
        top.add_command(made)
    group = top.commands[name]
    assert isinstance(group, core.TyperGroup)
    return group


def invoke(args: Sequence[str], *, program: str) -> int:
    """Run the command and return its exit code; our errors and the parser's pass through."""
    result = make_command().main(args=list(args), prog_name=program, standalone_mode=False)
    return result if isinstance(result, int) else 0
