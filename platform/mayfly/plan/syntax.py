"""Python source to syntax tree, with errors its author can act on."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from mayfly import errors


@dataclass(frozen=True)
class Problem:
    """Where and why a file does not parse; ``line`` and ``column`` count from 1, None when unknown."""

    message: str
    line: int | None = None
    column: int | None = None
    text: str = ""


def parse_module(path: str, source: bytes) -> ast.Module:
    """Return the syntax tree of ``source``, judged by the Python that runs this code.

    Raises:
        SyntaxProblem: it is not valid Python; the text names file, line and place.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, filename=path)
    except SyntaxError as error:
        problem = Problem(error.msg, error.lineno, error.offset, error.text or "")
    except ValueError as error:  # null bytes
        problem = Problem(str(error))
    except (RecursionError, MemoryError):
        problem = Problem("nested too deeply for the compiler; split the expression")
    raise errors.SyntaxProblem(describe(path, problem))


def describe(path: str, problem: Problem) -> str:
    """Return the message for ``problem``: place and cause, then the line and a caret below the fault.

    >>> print(describe("handler.py", Problem("expected ':'", 3, 9, "def f(x)")))
    handler.py:3: expected ':'
        def f(x)
                ^
    """
    place = path if problem.line is None else f"{path}:{problem.line}"
    lines = [f"{place}: {problem.message}"]
    text = problem.text.rstrip("\r\n").expandtabs(1)[:200]
    if text.strip():
        shown = text.lstrip()
        lines.append(f"    {shown}")
        if problem.column:
            place_in_line = max(problem.column - 1 - (len(text) - len(shown)), 0)
            lines.append(" " * (4 + min(place_in_line, len(shown))) + "^")
    return "\n".join(lines)
