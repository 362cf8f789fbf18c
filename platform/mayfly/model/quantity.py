"""Quantities in the one spelling that the API server gives back.

Rules: https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity, "Before serializing, Quantity will be put in
canonical form". Knative's webhook rewrites what it reads to that form; a desired object that already has it compares
equal to the live one.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from mayfly import errors

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i)|([numkMGTPE])|([eE][+-]?[0-9]+))?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_NANO = Decimal("1e-9")
_KIBI = 1024


def canonical(value: int | str) -> str:
    """Return ``value`` with no fraction and the largest suffix that loses nothing.

    >>> canonical("0.5"), canonical("1024Mi"), canonical("1.5Gi"), canonical(2)
    ('500m', '1Gi', '1536Mi', '2')

    Raises:
        SpecError: ``value`` is not a quantity.
    """
    amount, unit = _parse(value)
    if unit.endswith("i"):
        return _format_binary(amount)
    return _format_decimal(amount, as_exponent=unit == "e")


def parse_bytes(value: int | str) -> int:
    """Return how many bytes ``value`` stands for, rounded up.

    >>> parse_bytes("1.5Ki"), parse_bytes("6M"), parse_bytes(7)
    (1536, 6000000, 7)

    Raises:
        SpecError: ``value`` is not a quantity.
    """
    return int(_parse(value)[0].to_integral_value(rounding=ROUND_CEILING))


def _parse(value: int | str) -> tuple[Decimal, str]:
    """Return the amount and the kind of its suffix: ``Ki`` ... ``Ei``, ``e``, or a decimal one."""
    match = _FORM.fullmatch(str(value))
    if match is None:
        raise errors.SpecError(f"quantity {value!r}: write a number with an optional unit, such as 100m, 1, 128Mi")
    number, binary, decimal, exponent = match.groups()
    if binary:
        return Decimal(number) * _KIBI ** _BINARY.index(binary), binary
    if exponent:
        return Decimal(number) * Decimal(f"1{exponent}"), "e"
    power = next(power for power, suffix in _DECIMAL.items() if suffix == (decimal or ""))
    return Decimal(number) * Decimal(10) ** power, decimal or ""


def _format_binary(amount: Decimal) -> str:
    if abs(amount) < _KIBI or amount != amount.to_integral_value():
        return _format_decimal(amount)
    whole, power = int(amount), 0
    while whole % _KIBI == 0 and power < len(_BINARY) - 1:
        whole, power = whole // _KIBI, power + 1
    return f"{whole}{_BINARY[power]}"


def _format_decimal(amount: Decimal, *, as_exponent: bool = False) -> str:
    nanos = int((amount / _NANO).to_integral_value(rounding=ROUND_CEILING))
    if nanos == 0:
        return "0"
    power = -9
    while nanos % 1000 == 0 and power < max(_DECIMAL):
        nanos, power = nanos // 1000, power + 3
    suffix = (f"e{power}" if power else "") if as_exponent else _DECIMAL[power]
    return f"{nanos}{suffix}"
