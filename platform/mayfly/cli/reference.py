"""The command reference, written from the commands themselves."""

from __future__ import annotations

from typing import Any

import typer

from mayfly.cli import app, exits

_WIDTH = 100
INTRODUCTION = """\
Generated from the command's own help. It works with your kubeconfig and your rights, like kubectl; only uploads of
source, events and invocations go through Mayfly's REST API. Data goes to stdout, everything else to stderr; colours and
moving parts only to a terminal, and not with `NO_COLOR`. Also callable as `kubectl mayfly`.
"""


def render_reference() -> str:
    """Return ``docs/cli.md``: the help of every command, and the exit codes."""
    group = app.make_command()
    top: Any = typer.Context(
        group, info_name="mayfly", terminal_width=_WIDTH, max_content_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    parts = [
        "# The mayfly command\n",
        INTRODUCTION,
        _render_block("mayfly", group.get_help(top)),
    ]
    groups: dict[str, Any] = {"": top}
    for key in app.COMMANDS:
        family, _, name = key.rpartition(" ")
        if family not in groups:
            groups[family] = _make_context(group.commands[family], family, top)
            parts.append(_render_block(f"mayfly {family}", groups[family].get_help()))
        context = _make_context(app.load(key), name, groups[family])
        parts.append(_render_block(f"mayfly {key}", context.get_help()))
    return "\n".join([*parts, *_render_codes(), *_render_variables()])


def _make_context(command: Any, name: str, parent: Any) -> Any:
    return typer.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH)


def _render_block(title: str, text: str) -> str:
    body = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"## {title}\n\n```text\n{body}\n```\n"


def _render_codes() -> list[str]:
    rows = {
        exits.OK: "it is done",
        exits.FAILURE: "it failed; stderr says why",
        exits.USAGE: "the command line, the folder or the manifest cannot be worked with",
        exits.INCOMPLETE: "`migrate`: done, but something is not carried; the report says what",
        exits.FUNCTION_ERROR: "`invoke`, `invocations result`: the answer was 400 or above, or it was given up",
        exits.TIMEOUT: "it took longer than asked for",
        exits.INTERRUPTED: "interrupted with Ctrl-C",
    }
    return [
        "## Exit codes\n\n| code | meaning |\n| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in rows.items()),
        "",
    ]


def _render_variables() -> list[str]:
    rows = {
        "KUBECONFIG": "kubeconfig files, as for kubectl",
        "GATEWAY_URL": "base URL of the gateway for `invoke`, where its address cannot be found",
        "MAYFLY_API_URL": "base URL of the REST API; default: through the Kubernetes API server",
        "MAYFLY_TOKEN": "bearer token for the REST API",
        "MAYFLY_SYSTEM_NAMESPACE": "namespace of the platform; default: `mayfly-system`",
        "MAYFLY_DEBUG": "`1` shows the traceback of an error",
        "NO_COLOR": "any value: no colours and no moving parts",
    }
    return [
        "## Environment\n\n| variable | meaning |\n| --- | --- |",
        *(f"| `{name}` | {meaning} |" for name, meaning in rows.items()),
        "",
    ]
