"""Azure's route templates: text to a matcher, pure.

Source: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#customize-the-http-endpoint
and the constraints of https://learn.microsoft.com/aspnet/web-api/overview/web-api-routing-and-actions/attribute-routing-in-web-api-2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}",
    "decimal": r"-?\d+(?:\.\d+)?",
}
"""What a parameter's constraint lets through; others let every segment through."""
_PARAMETER = re.compile(r"\{(\*?)(\w+)(?::([^}?]+))?(\?)?\}")


class Route(NamedTuple):
    """A compiled template; ``weight`` orders templates, the more specific one is smaller."""

    pattern: re.Pattern[str]
    weight: tuple[int, int]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route's parameters in ``path``, None when it does not match; absent optional ones are left out."""
        found = self.pattern.fullmatch(path)
        return None if found is None else {name: value for name, value in found.groupdict().items() if value}


def compile_route(template: str, prefix: str) -> Route:
    """Return the matcher of ``template`` below ``prefix``; literals match in any case, as Azure's do.

    >>> compile_route("products/{category:alpha}/{id:int?}", "api").match("/api/Products/books/7")
    {'category': 'books', 'id': '7'}
    """
    segments = [part for part in f"{prefix}/{template}".split("/") if part]
    pattern = "".join(_compile_segment(segment) for segment in segments)
    rests = sum(segment.startswith("{*") for segment in segments)
    return Route(re.compile(f"{pattern}/?"), (rests, sum("{" in segment for segment in segments)))


def _compile_segment(segment: str) -> str:
    whole = _PARAMETER.fullmatch(segment)
    if whole is None:
        return "/" + _compile_mixed(segment)
    rest, name, _, optional = whole.groups()
    if rest:
        return f"(?:/(?P<{name}>.*))?"
    inner = "/" + _compile_parameter(whole)
    return f"(?:{inner})?" if optional else inner


def _compile_mixed(segment: str) -> str:
    """Return the pattern of a segment of literals and parameters, such as ``v{major}.json``."""
    pattern, at = "", 0
    for found in _PARAMETER.finditer(segment):
        pattern += f"(?i:{re.escape(segment[at : found.start()])})" + _compile_parameter(found)
        at = found.end()
    return pattern + f"(?i:{re.escape(segment[at:])})"


def _compile_parameter(found: re.Match[str]) -> str:
    return f"(?P<{found[2]}>{_CONSTRAINTS.get(found[3] or '', '[^/]+')})"
