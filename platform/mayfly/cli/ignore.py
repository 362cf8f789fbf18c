"""Which files of a folder are left out of its archive.

Patterns are those of ``.gitignore`` (https://git-scm.com/docs/gitignore#_pattern_format): ``*``, ``?``, ``[...]``,
``**``, a leading or inner ``/`` ties to the root, a trailing ``/`` means directories, ``!`` takes back, the last match
decides.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

FILE = ".mayflyignore"
DEFAULTS = (
    ".git/",
    ".hg/",
    ".svn/",
    ".venv/",
    "venv/",
    ".tox/",
    ".nox/",
    "node_modules/",
    "__pycache__/",
    "*.py[cod]",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    "*.egg-info/",
    ".idea/",
    ".vscode/",
    ".DS_Store",
    ".env",
    ".env.*",
    f"/{FILE}",
    "/function.yaml",
    "/*.function.yaml",
)
"""Left out unless ``.mayflyignore`` takes one back with ``!``. ``function.yaml`` says how to run the code and is no
part of it, nor are those of several Functions that share it: a changed limit must not look like changed code. ``.env``
files hold secrets more often than not."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One pattern: what it matches, whether it takes back, and whether it means directories alone."""

    expression: re.Pattern[str]
    takes_back: bool
    directories: bool


def parse_rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules of an ignore file, in order; blank lines and comments are none. Pure."""
    rules = []
    for line in lines:
        text = line.rstrip("\r\n")
        text = text if text.endswith("\\ ") else text.rstrip(" ")
        if not text or text.startswith("#"):
            continue
        takes_back = text.startswith("!")
        text = text[1:] if takes_back else text
        directories = text.endswith("/")
        rules.append(Rule(_compile(text.rstrip("/")), takes_back, directories))
    return tuple(rules)


def is_ignored(path: str, *, directory: bool, rules: Iterable[Rule]) -> bool:
    """Say whether ``path`` (relative, with ``/``) is left out: the last matching rule decides. Pure.

    >>> is_ignored("a/__pycache__", directory=True, rules=parse_rules(DEFAULTS))
    True
    """
    ignored = False
    for rule in rules:
        if (directory or not rule.directories) and rule.expression.fullmatch(path):
            ignored = not rule.takes_back
    return ignored


def _compile(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern
    text = pattern.removeprefix("/").removeprefix("\\")
    prefix = "" if anchored else "(?:.*/)?"
    return re.compile(prefix + "".join(_translate(text)), re.DOTALL)


_TOKEN = re.compile(
    r"(?P<deep>(?<![^/])\*\*/)|(?P<rest>/\*\*$)|(?P<stars>\*+)|(?P<set>\[[!^]?\]?[^\]]*\])|(?P<one>.)", re.DOTALL
)


def _translate(pattern: str) -> Iterable[str]:
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        match token.lastgroup:
            case "deep":
                yield "(?:.*/)?"
            case "rest":
                yield "/.*"
            case "stars":
                yield "[^/]*"
            case "set":
                yield "[" + re.sub(r"^[!^]", "^", text[1:-1]).replace("\\", "\\\\") + "]"
            case _:
                yield "[^/]" if text == "?" else re.escape(text)
