"""What the distribution is."""

from __future__ import annotations

import ast
import pathlib
import tomllib

import mayfly_runtime

HERE = pathlib.Path(mayfly_runtime.__file__).parent


def imported(path):
    """Return the top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_it_stands_alone():
    """It imports nothing of mayfly: a function image does not hold it."""
    assert [path.name for path in HERE.rglob("*.py") if "mayfly" in imported(path)] == []


def test_versions_agree():
    """The metadata and the package say the same version."""
    metadata = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    assert metadata["version"] == mayfly_runtime.__version__
    names = {requirement.partition(">")[0] for requirement in metadata["dependencies"]}
    assert names == {"httptools", "uvicorn", "uvloop"}
