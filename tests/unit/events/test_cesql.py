"""CloudEvents SQL means what its specification says, never runs away, and is refused at its first mistake."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.events.cesql import evaluate, functions, parser, pattern

EVENT = {
    "specversion": "1.0",
    "id": "a-1",
    "source": "https://shop.example/orders",
    "type": "com.shop.order.created",
    "subject": "order/17",
    "total": "99",
    "rush": "TRUE",
    "hop": "5",
    "ttl": "10",
}
CAST, MATH, MISSING, FUNCTION = (
    functions.Kind(kind) for kind in ("cast", "math", "missingAttribute", "functionEvaluation")
)

VALUES = {
    # literals and attributes
    "true": True,
    "FaLsE": False,
    "0": 0,
    "2147483647": 2147483647,
    "-2147483648": -2147483648,
    "+7": 7,
    "007": 7,
    "'a'": "a",
    '"a\'b"': "a'b",
    r"'a\'b'": "a'b",
    r"'a\b'": r"a\b",
    "' AND '": " AND ",
    "type": "com.shop.order.created",
    "TYPE": "com.shop.order.created",
    "((id))": "a-1",
    # equality takes the type of the right side
    "total = 99": True,
    "total = '99'": True,
    "99 = total": True,
    "total != 98": True,
    "total <> 99": False,
    "rush = true": True,
    "rush = 'true'": False,
    "'TRUE' = true": True,
    "true = 'TRUE'": False,
    "'a' = 'A'": False,
    "1 = true": True,
    "true = 1": True,
    "5 = '05'": False,
    # order is of integers
    "hop < ttl": True,
    "ttl <= hop": False,
    "total >= 99 AND total > 98": True,
    "'10' > '9'": True,
    "true > false": True,
    # arithmetic
    "4 * 2 + 4 / 2": 10,
    "4*(2+4)/2": 12,
    "4-1": 3,
    "4 - -1": 5,
    "--10": 10,
    "-'10'": -10,
    "-true": -1,
    "7 / 2": 3,
    "-7 / 2": -3,
    "7 / -2": -3,
    "-7 % 2": -1,
    "7 % -2": 1,
    "total + 1": 100,
    "2 - 1 - 1": 0,
    "8 / 4 / 2": 1,
    "1 + 2 = 3": True,
    # logic
    "NOT TRUE": False,
    "not not true": True,
    "NOT 10": False,
    "TRUE XOR TRUE XOR TRUE": True,
    "FALSE AND (1 != 1 / 0)": False,
    "TRUE OR (1 != 1 / 0)": True,
    "FALSE AND missing": False,
    "NOT rush = false": True,
    "(FALSE AND TRUE) OR TRUE": True,
    "FALSE AND (TRUE OR TRUE)": False,
    # exists
    "EXISTS id AND EXISTS SUBJECT": True,
    "EXISTS time": False,
    "NOT EXISTS time": True,
    # like
    "type LIKE 'com.shop.%'": True,
    "type LIKE '%.created'": True,
    "type LIKE '%shop%created'": True,
    "type LIKE 'com_shop%'": True,
    "type LIKE 'com.shop'": False,
    "type NOT LIKE '%deleted'": True,
    "99 LIKE '9_'": True,
    "TRUE LIKE 'tr%'": True,
    r"'100%' LIKE '100\%'": True,
    r"'1000' LIKE '100\%'": False,
    r"'a_b' LIKE 'a\_b'": True,
    r"'axb' LIKE 'a\_b'": False,
    r"'a\b' LIKE 'a\b'": True,
    "'a.b' LIKE 'a.b'": True,
    "'axb' LIKE 'a.b'": False,
    "'' LIKE ''": True,
    "'' LIKE '%'": True,
    "'a' LIKE ''": False,
    "'a\nb' LIKE 'a%b'": True,
    "'abab' LIKE '%ab'": True,
    "'aab' LIKE '%ab%'": True,
    "'ab' LIKE '%ab%ab%'": False,
    "'a' LIKE 'a%a'": False,
    "type LIKE 'com.%' = true": True,
    # in
    "id IN ('a-1', 'b')": True,
    "id NOT IN ('a-1', 'b')": False,
    "total IN (1, 99)": True,
    "99 IN ('99')": True,
    "hop IN (ttl, '5')": True,
    "id IN (subject, CONCAT('a', '-', 1))": True,
    "'TRUE' IN (TRUE)": False,
    "1 IN (true)": True,
    # functions
    "LENGTH(subject)": 8,
    "length('é€😀')": 3,
    "LENGTH(TRUE)": 4,
    "CONCAT()": "",
    "CONCAT('a', 1, true)": "a1true",
    "CONCAT_WS('-', 'a', 'b')": "a-b",
    "CONCAT_WS('-')": "",
    "LOWER('ÀB')": "àb",
    "UPPER('ab')": "AB",
    "TRIM('\t a b \n')": "a b",
    "LEFT('abc', 2)": "ab",
    "LEFT('abc', 9)": "abc",
    "RIGHT('abc', 2)": "bc",
    "RIGHT('abc', 0)": "",
    "RIGHT('abc', 9)": "abc",
    "SUBSTRING('abcdef', 2)": "bcdef",
    "SUBSTRING('abcdef', 6)": "f",
    "SUBSTRING('abcdef', -6)": "abcdef",
    "SUBSTRING('abcdef', -3, 2)": "de",
    "SUBSTRING('abcdef', 2, 99)": "bcdef",
    "SUBSTRING('abcdef', 2, 0)": "",
    "SUBSTRING('abcdef', 0)": "",
    "ABS(-5)": 5,
    "ABS('-5')": 5,
    "INT('-5') + INT(true)": -4,
    "BOOL('FALSE')": False,
    "BOOL(-1)": True,
    "STRING(-1)": "-1",
    "STRING(FALSE)": "false",
    "INT(hop) < INT(ttl) AND INT(hop) < 1000": True,
    "LENGTH(CONCAT(UPPER(LEFT(id, 1)), 'x')) = 2": True,
}

FAILURES = {
    "missing": (False, MISSING),
    "missing = 'x'": (False, MISSING),
    "missing != 'x'": (False, MISSING),
    "NOT missing": (False, MISSING),
    "-missing": (0, MISSING),
    "missing LIKE '%'": (False, MISSING),
    "missing NOT IN ('x')": (False, MISSING),
    "missing / 0": (0, MISSING),
    "UPPER(missing)": ("", MISSING),
    "TRUE AND missing = 1": (False, MISSING),
    "1 / 0": (0, MATH),
    "1 % 0": (0, MATH),
    "2147483647 + 1": (0, MATH),
    "-2147483648 - 1": (0, MATH),
    "-(-2147483648)": (0, MATH),
    "-2147483648 / -1": (0, MATH),
    "65536 * 65536": (0, MATH),
    "ABS(-2147483648)": (2147483647, MATH),
    "INT('ABC')": (0, CAST),
    "INT('2147483648')": (0, CAST),
    "INT('1.5')": (0, CAST),
    "INT(' 1')": (0, CAST),
    "INT('٣')": (0, CAST),
    "BOOL('yes')": (False, CAST),
    "id = 1": (False, CAST),
    "id < 1": (False, CAST),
    "NOT type = 'x'": (False, CAST),
    "type AND true": (False, CAST),
    "rush AND hop": (False, CAST),
    "total IN (1, 'x')": (False, None),
    "1 IN ('x', '1')": (False, CAST),
    "LEFT('abc', -2)": ("abc", FUNCTION),
    "RIGHT('abc', -2)": ("abc", FUNCTION),
    "SUBSTRING('abc', 4)": ("", FUNCTION),
    "SUBSTRING('abc', -4)": ("", FUNCTION),
    "SUBSTRING('abc', 1, -1)": ("", FUNCTION),
    "LENGTH(LEFT('abc', -2))": (0, FUNCTION),
    "UPPER(LEFT('abc', -2))": ("", FUNCTION),
    "'x' = LEFT('x', -2)": (False, FUNCTION),
}

MISTAKES = {
    "": "character 0: the end stands where",
    "  ": "character 2: the end stands where",
    "a b": "character 2: 'b' does not continue",
    "a =": "character 3: the end",
    "= a": "character 0: '='",
    "a == b": "character 3: '=' stands where",
    "(a": "the end stands where ')' belongs",
    "a)": "character 1: ')' does not continue",
    "'a": "character 0: the string is not closed; end it with '",
    "a = \"x'": 'character 4: the string is not closed; end it with "',
    "a & b": "character 2: '&' begins nothing",
    "a = b;": "character 5: ';'",
    "é": "character 0: '\\xe9' begins nothing",
    "a AND b OR c": "character 8: 'OR' follows 'AND'; write parentheses",
    "a OR b AND c": "'AND' follows 'OR'",
    "a XOR b OR c": "'OR' follows 'XOR'",
    "a NOT b": "character 2: 'NOT' does not continue",
    "a LIKE b": "character 7: 'b' stands where a pattern in quotes",
    "a LIKE": "the end stands where a pattern",
    "a LIKE 5": "a pattern in quotes",
    "a IN 'x'": "'x' stands where '(' before the choices",
    "a IN ()": "character 6: ')' stands where",
    "a IN ('x',)": "character 10: ')'",
    "EXISTS 'x'": "the name of an attribute after EXISTS",
    "EXISTS": "the name of an attribute",
    "EXISTS AND": "the name of an attribute",
    "EXISTS (x)": "the name of an attribute",
    "AND": "'AND' stands where",
    "my_attribute": "names no attribute",
    "data_base64 = 'x'": "names no attribute",
    "NOW()": "function NOW: there are ABS, BOOL, CONCAT",
    "LENGTH()": "function LENGTH: it does not take 0 arguments",
    "LENGTH('a', 'b')": "does not take 2 arguments",
    "CONCAT_WS()": "does not take 0 arguments",
    "LENGTH('a'": "',' or ')' in the arguments of LENGTH",
    "2147483648": "character 0: '2147483648' is not an integer of 32 bits",
    "-2147483649": "is not an integer of 32 bits",
    "9" * 4000: "is not an integer of 32 bits",
    "+a": "'+' stands before digits",
    "1.5": "character 1: '.' begins nothing",
    "(" * 33 + "a" + ")" * 33: "nested deeper than 32",
    "(" * 4000: "nested deeper than 32",
    "-" * 40 + "a": "operators are nested deeper than 32",
    "NOT " * 900 + "a": "operators are nested deeper than 32",
    "1" + "+1" * 2000: "operators are nested deeper than 32",
    "a" + "=a" * 2000: "operators are nested deeper than 32",
    "a" + " LIKE 'a'" * 400: "operators are nested deeper than 32",
    "LENGTH(" * 40 + "a" + ")" * 40: "nested deeper than 32",
    "a" * 4097: "sql has 4097 characters; at most 4096",
}


@pytest.mark.parametrize("text", VALUES, ids=repr)
def test_values(text):
    result = evaluate.compile_expression(text).evaluate(EVENT)
    assert result == evaluate.Result(VALUES[text])
    assert type(result.value) is type(VALUES[text])


@pytest.mark.parametrize("text", FAILURES, ids=repr)
def test_an_error_stops_at_the_zero_of_the_type(text):
    """And an expression with an error is never true."""
    value, kind = FAILURES[text]
    expression = evaluate.compile_expression(text)
    assert expression.evaluate(EVENT) == evaluate.Result(value, kind)
    assert not expression.is_true(EVENT)


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: repr(text[:30]))
def test_mistakes_are_refused_with_their_place(text):
    with pytest.raises(errors.InvalidFilter, match=r"^sql") as caught:
        evaluate.compile_expression(text)
    assert MISTAKES[text] in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_filter_is_true_only_when_the_value_is():
    assert evaluate.compile_expression("TRUE").is_true(EVENT)
    for text in ("FALSE", "1", "'true'", "rush"):
        assert not evaluate.compile_expression(text).is_true(EVENT)


def test_long_chains_are_as_good_as_short_ones():
    """They are one level of the tree, and no stack grows with them."""
    chain = " OR ".join(["id='x'"] * 300 + ["id='a-1'"])
    assert evaluate.compile_expression(chain).is_true(EVENT)


def test_expressions_are_values():
    one, other = (evaluate.compile_expression("id = 'a'") for _ in range(2))
    assert one == other
    assert len({one, other, evaluate.compile_expression("id = 'b'")}) == 2


WORDS = st.sampled_from(
    [
        *"()'\"=<>!+-*/%,_\\",
        "AND",
        "OR",
        "XOR",
        "NOT",
        "LIKE",
        "IN",
        "EXISTS",
        "TRUE",
        "id",
        "total",
        "missing",
        "1",
        "'x%'",
        "LENGTH",
        "CONCAT",
        "SUBSTRING",
        "2147483647",
    ]
)


@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=12))
def test_no_text_raises_anything_else(text):
    with contextlib.suppress(errors.InvalidFilter):
        expression = evaluate.compile_expression(text)
        result = expression.evaluate(EVENT)
        assert expression.is_true(EVENT) == (result.error is None and result.value is True)


def slow_like(text, pieces):
    """Match as the specification says it, trying everything."""
    if not pieces:
        return not text
    if pieces[0] == "%":
        return any(slow_like(text[start:], pieces[1:]) for start in range(len(text) + 1))
    return bool(text) and pieces[0] in {"_", text[0]} and slow_like(text[1:], pieces[1:])


@given(st.text("ab.", max_size=8), st.lists(st.sampled_from(["a", "b", ".", "_", "%"]), max_size=6))
def test_patterns_match_what_they_should(text, pieces):
    assert pattern.compile_like("".join(pieces))(text) == slow_like(text, pieces)


def test_patterns_take_no_more_than_linear_time():
    """A pattern that would make a backtracking matcher try for years."""
    assert not pattern.compile_like("%a" * 200 + "b")("a" * 4096)


def test_bounds_are_where_they_are_said_to_be():
    deepest = "(" * (parser.MAX_DEPTH - 1) + "id = 'a-1'" + ")" * (parser.MAX_DEPTH - 1)
    assert evaluate.compile_expression(deepest).is_true(EVENT)
    longest = "id = '" + "x" * (parser.MAX_LENGTH - 7) + "'"
    assert not evaluate.compile_expression(longest).is_true(EVENT)
