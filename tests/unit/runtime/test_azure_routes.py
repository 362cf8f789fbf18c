"""Azure's route templates."""

from __future__ import annotations

import pytest

from mayfly_runtime.dialects import azure_routes

MATCHED = {
    "literal in any case": ("hello", "api", "/api/HELLO", {}),
    "trailing slash": ("hello", "api", "/api/hello/", {}),
    "no prefix": ("hello", "", "/hello", {}),
    "empty": ("", "", "/", {}),
    "parameter": ("a/{id}", "api", "/api/a/x y", {"id": "x y"}),
    "parameter keeps its case": ("a/{id}", "api", "/api/a/Xy", {"id": "Xy"}),
    "optional absent": ("a/{id?}", "api", "/api/a", {}),
    "constraint": ("a/{id:int}", "api", "/api/a/-7", {"id": "-7"}),
    "constraint refuses": ("a/{id:int}", "api", "/api/a/x", None),
    "unknown constraint": ("a/{id:length(3)}", "api", "/api/a/xyz", {"id": "xyz"}),
    "rest": ("a/{*rest}", "api", "/api/a/b/c", {"rest": "b/c"}),
    "rest of nothing": ("/{*rest}", "", "/", {}),
    "mixed segment": ("v{major}.json", "", "/V2.json", {"major": "2"}),
    "another segment": ("a", "api", "/api/a/b", None),
    "a dot is a dot": ("a.b", "", "/axb", None),
}


@pytest.mark.parametrize(("template", "prefix", "path", "expected"), MATCHED.values(), ids=MATCHED)
def test_match(template, prefix, path, expected):
    """A path is taken apart as its template says, or not at all."""
    assert azure_routes.compile_route(template, prefix).match(path) == expected


def test_order():
    """Literals come before parameters, and those before a rest."""
    templates = ["{*rest}", "a/{id}", "a/new"]
    ordered = sorted(templates, key=lambda template: azure_routes.compile_route(template, "").weight)
    assert ordered == ["a/new", "a/{id}", "{*rest}"]
