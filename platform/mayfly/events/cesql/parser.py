"""Tokens to a tree, by recursive descent.

From loosest to tightest: logic; comparison; + -; * / %; LIKE, IN; NOT, -, EXISTS; the rest. So ``NOT a = b`` is
``(NOT a) = b``, as the specification has it (section 3.4: unary operators come first).
"""

from __future__ import annotations

from mayfly import errors
from mayfly.events.cesql import functions, lexer, tree

MAX_LENGTH = 4096
"""Characters of an expression."""
MAX_DEPTH = 32
"""Parentheses and functions within each other, and levels of the tree that comes of it."""


def parse(text: str) -> tree.Node:
    """Return the tree of the expression ``text``.

    Raises:
        InvalidFilter: it is none; names position and rule.
    """
    if len(text) > MAX_LENGTH:
        raise errors.InvalidFilter(f"sql has {len(text)} characters; at most {MAX_LENGTH}")
    parser = _Parser(lexer.tokenize(text))
    whole = parser.parse_logic()
    parser.expect_end()
    return whole


class _Parser:
    """A position in a list of tokens."""

    def __init__(self, tokens: list[lexer.Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._levels: dict[int, int] = {}
        """Levels below the nodes that have any, by identity; the tree keeps them alive."""

    def parse_logic(self) -> tree.Node:
        """Parse operands joined by one of AND, OR, XOR."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refuse(f"nested deeper than {MAX_DEPTH}; make it flatter")
        node = self._parse_chain()
        self._depth -= 1
        return node

    def expect_end(self) -> None:
        """Raise ``InvalidFilter`` unless all was read."""
        if self._peek().kind != "end":
            raise self._refuse(f"{self._peek()} does not continue an expression; an operator or the end belongs here")

    def _parse_chain(self) -> tree.Node:
        node = self._parse_comparison()
        if not self._peek_is("keyword", tree.LOGIC):
            return node
        chain = self._peek().text
        operands = [node]
        while self._peek_is("keyword", tree.LOGIC):
            if self._peek().text != chain:
                raise self._refuse(f"{self._peek()} follows {chain!r}; write parentheses to say which comes first")
            self._next += 1
            operands.append(self._parse_comparison())
        return self._grow(tree.Logic(chain, tuple(operands)), *operands)

    def _parse_comparison(self) -> tree.Node:
        node = self._parse_sum()
        while self._peek_is("mark", tree.COMPARISON):
            operator = self._take().text
            node = self._grow(tree.Binary(operator, node, right := self._parse_sum()), node, right)
        return node

    def _parse_sum(self) -> tree.Node:
        node = self._parse_product()
        while self._peek_is("mark", {"+", "-"}):
            operator = self._take().text
            node = self._grow(tree.Binary(operator, node, right := self._parse_product()), node, right)
        return node

    def _parse_product(self) -> tree.Node:
        node = self._parse_test()
        while self._peek_is("mark", {"*", "/", "%"}):
            operator = self._take().text
            node = self._grow(tree.Binary(operator, node, right := self._parse_test()), node, right)
        return node

    def _parse_test(self) -> tree.Node:
        """Parse an operand and any LIKE and IN behind it."""
        node = self._parse_unary()
        while True:
            negated = self._peek_is("keyword", {"NOT"})
            word = self._tokens[self._next + negated]
            if word.kind != "keyword" or word.text not in {"LIKE", "IN"}:
                return node
            self._next += 1 + negated
            if word.text == "LIKE":
                pattern = self._take_kind("string", "a pattern in quotes after LIKE").text
                node = self._grow(tree.Like(node, pattern, negated), node)
            else:
                choices = self._parse_arguments("the choices of IN", least=1)
                node = self._grow(tree.In(node, choices, negated), node, *choices)

    def _parse_unary(self) -> tree.Node:
        signs: list[str] = []
        while self._peek_is("keyword", {"NOT"}) or self._peek_is("mark", {"-", "+"}):
            sign = self._take()
            if self._peek().kind == "integer" and sign.text in "+-":
                node: tree.Node = self._parse_integer(sign.text)
                break
            if sign.text == "+":
                self._next -= 1
                raise self._refuse("'+' stands before digits or between two operands")
            signs.append(sign.text)
        else:
            node = self._parse_atom()
        for operator in reversed(signs):
            node = self._grow(tree.Unary(operator, node), node)
        return node

    def _parse_atom(self) -> tree.Node:
        token = self._peek()
        if token.kind == "integer":
            return self._parse_integer("")
        self._next += 1
        if token.kind == "string":
            return tree.Literal(token.text)
        if token.kind == "word":
            return self._parse_call(token) if self._peek_is("mark", {"("}) else tree.Attribute(self._name_of(token))
        if token.kind == "keyword" and token.text in {"TRUE", "FALSE"}:
            return tree.Literal(token.text == "TRUE")
        if token.kind == "keyword" and token.text == "EXISTS":
            return tree.Exists(self._name_of(self._take_kind("word", "the name of an attribute after EXISTS")))
        if token.text == "(" and token.kind == "mark":
            node = self.parse_logic()
            self._take_mark(")", "')'")
            return node
        self._next -= 1
        raise self._refuse(f"{token} stands where an attribute, a value, a function or '(' belongs")

    def _parse_integer(self, sign: str) -> tree.Literal:
        token = self._take()
        # Ten digits are enough for 32 bits; more are not even converted.
        value = (
            int(sign + token.text) if len(token.text.lstrip("0")) <= len(str(functions.MOST)) else functions.MOST + 1
        )
        if not functions.LEAST <= value <= functions.MOST:
            self._next -= 1
            raise self._refuse(f"{token} is not an integer of 32 bits, {functions.LEAST} to {functions.MOST}")
        return tree.Literal(value)

    def _parse_call(self, word: lexer.Token) -> tree.Node:
        name = word.text.upper()
        arguments = self._parse_arguments(f"the arguments of {name}", least=0)
        if functions.find(name, len(arguments)) is None:
            known = ", ".join(sorted(functions.FUNCTIONS))
            rule = (
                f"it does not take {len(arguments)} arguments" if name in functions.FUNCTIONS else f"there are {known}"
            )
            raise errors.InvalidFilter(f"sql, character {word.position}: function {name[:40]}: {rule}")
        return self._grow(tree.Call(name, arguments), *arguments)

    def _parse_arguments(self, what: str, *, least: int) -> tuple[tree.Node, ...]:
        self._take_mark("(", f"'(' before {what}")
        found: list[tree.Node] = []
        if least == 0 and self._peek_is("mark", {")"}):
            self._next += 1
            return ()
        while True:
            found.append(self.parse_logic())
            if not self._peek_is("mark", {","}):
                break
            self._next += 1
        self._take_mark(")", f"',' or ')' in {what}")
        return tuple(found)

    def _grow(self, node: tree.Node, *below: tree.Node) -> tree.Node:
        """Return ``node``, whose operands are ``below``, unless the tree gets too high for those who walk it."""
        levels = 1 + max((self._levels.get(id(one), 0) for one in below), default=0)
        if levels > MAX_DEPTH:
            raise self._refuse(f"operators are nested deeper than {MAX_DEPTH}; make it flatter")
        self._levels[id(node)] = levels
        return node

    def _name_of(self, word: lexer.Token) -> str:
        if "_" in word.text:
            raise errors.InvalidFilter(
                f"sql, character {word.position}: {word} names no attribute: letters and digits; a function needs '('"
            )
        return word.text.lower()

    def _peek(self) -> lexer.Token:
        return self._tokens[self._next]

    def _peek_is(self, kind: str, texts: frozenset[str] | set[str]) -> bool:
        token = self._tokens[self._next]
        return token.kind == kind and token.text in texts

    def _take(self) -> lexer.Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _take_kind(self, kind: str, what: str) -> lexer.Token:
        if self._peek().kind != kind:
            raise self._refuse(f"{self._peek()} stands where {what} belongs")
        return self._take()

    def _take_mark(self, mark: str, what: str) -> None:
        if not self._peek_is("mark", {mark}):
            raise self._refuse(f"{self._peek()} stands where {what} belongs")
        self._next += 1

    def _refuse(self, rule: str) -> errors.InvalidFilter:
        return errors.InvalidFilter(f"sql, character {self._peek().position}: {rule}")
