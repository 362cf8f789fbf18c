"""Options that several commands share."""

from __future__ import annotations

import pathlib
from enum import StrEnum
from typing import Annotated

import typer

from mayfly.cli import completion


class State(StrEnum):
    """Where an invocation stands; a test proves that these are the store's words."""

    WAITING = "waiting"
    LEASED = "leased"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Format(StrEnum):
    """How objects are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: that of the kubeconfig's context."),
]
Context = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig. Default: its current one.")
]
Kubeconfig = Annotated[
    pathlib.Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig. Default: $KUBECONFIG, else ~/.kube/config."),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="What to print.")]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of the function.", show_default=False, autocompletion=completion.complete_names
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Names of functions.", show_default=False, autocompletion=completion.complete_names
    ),
]
ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        envvar="MAYFLY_API_URL",
        metavar="URL",
        help="Mayfly's REST API. Default: through the Kubernetes API server.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="MAYFLY_TOKEN",
        metavar="TOKEN",
        help="Bearer token for the REST API. Default: the kubeconfig's, else a short-lived one.",
        show_envvar=True,
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the invocation.", show_default=False)]
OfFunction = Annotated[
    str | None,
    typer.Option("--function", metavar="NAME", help="Of this function only.", autocompletion=completion.complete_names),
]
