"""Text to tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from mayfly import errors

KEYWORDS = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
      (?P<string>'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")
    | (?P<integer>[0-9]++(?![A-Za-z_]))
    | (?P<word>[A-Za-z0-9][A-Za-z0-9_]*+)
    | (?P<mark><=|>=|<>|!=|[=<>+\-*/%(),])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"[ \t\r\n]*+")


class Token(NamedTuple):
    """One token.

    ``kind`` is string, integer, word, keyword, mark or end. ``text`` is a string's content, a keyword or mark in
    capitals, any other word as written. ``position`` counts characters from 0.
    """

    kind: str
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text[:40])


def tokenize(text: str) -> list[Token]:
    """Return the tokens of ``text``, the last of which is the end.

    Raises:
        InvalidFilter: a character begins no token.
    """
    tokens: list[Token] = []
    position = 0
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            raise _refuse(text, position)
        kind = found.lastgroup
        assert kind is not None  # one of the groups matched
        tokens.append(_make(kind, found[kind], found.start(kind)))
        if kind == "end":
            return tokens
        position = found.end()


def _make(kind: str, text: str, position: int) -> Token:
    if kind == "string":
        # Only the delimiter is escaped; a backslash before anything else stands for itself (and LIKE uses it).
        quote = text[0]
        return Token(kind, text[1:-1].replace(f"\\{quote}", quote), position)
    if kind == "word" and text.upper() in KEYWORDS:
        return Token("keyword", text.upper(), position)
    return Token(kind, text, position)


def _refuse(text: str, position: int) -> errors.InvalidFilter:
    space = _SPACE.match(text, position)
    position = space.end() if space else position
    if text[position] in "'\"":
        return errors.InvalidFilter(
            f"sql, character {position}: the string is not closed; end it with {text[position]}"
        )
    return errors.InvalidFilter(
        f"sql, character {position}: {text[position]!a} begins nothing; text stands in single or double quotes"
    )
