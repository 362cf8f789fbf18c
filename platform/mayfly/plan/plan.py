"""The build plan of one source tree: what to call, what to install."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.model import build
from mayfly.plan import dependencies, dialect, tree


@dataclass(frozen=True)
class BuildPlan:
    """All decisions about one source, ready to be carried out."""

    dialect: dialect.Dialect
    dependencies: dependencies.DependencyPlan


def make_plan(
    source: tree.SourceTree,
    *,
    handler: str | None,
    signature: build.Signature,
    target: dependencies.Target,
    salt: str = "",
) -> BuildPlan:
    """Return the plan for ``source``.

    Raises:
        HandlerError: no handler can be chosen.
        SyntaxProblem: a module that had to be read does not parse.
        DependencyError: the declared dependencies are not supported.
    """
    chosen = dialect.detect(source, handler=handler, signature=signature)
    return BuildPlan(chosen, dependencies.plan_dependencies(source, target=target, salt=salt))
