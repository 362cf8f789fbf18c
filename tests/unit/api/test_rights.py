"""The documented rights are those that the routes demand."""

from __future__ import annotations

import pathlib
import re

from mayfly import settings
from mayfly.api import access, app

DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "docs" / "rest-api.md"
BASE = "/v1/namespaces/{namespace}"


def demanded():
    """Return what each guarded route demands: "GET /functions" -> {"list functions"}."""
    found = {}
    for router in app.ROUTERS:
        for route in router.routes:
            if route.path in app.PUBLIC:
                continue
            [method] = route.methods
            needs = [item.dependency for item in route.dependencies if isinstance(item.dependency, access.Permission)]
            path = route.path.removeprefix(BASE).replace("{name}", "NAME").replace("{invocation}", "ID")
            found[f"{method} {path}"] = {
                f"{need.verb} functions" + (f"/{need.subresource}" if need.subresource else "") for need in needs
            }
    return found


def documented():
    rows = re.findall(r"^\| `(\w+ /\S+)` \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    found = {}
    for route, rights in rows:
        found[route] = set()
        verbs = []
        for word in re.findall(r"`([^`]+)`", rights):
            if word.startswith("functions"):
                found[route] |= {f"{verb} {word}" for verb in verbs}
                verbs = []
            else:
                verbs.append(word)
    return found


def test_the_table_of_rights_is_true():
    assert documented() == demanded()


def test_every_guarded_route_demands_something():
    assert all(demanded().values())
    paths = app.make_app(settings.ApiSettings(), app._connect_nothing).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    public = {f"GET {path}" for path in app.PUBLIC}
    guarded = {
        route.replace(" /", f" {BASE}/").replace("NAME", "{name}").replace("ID", "{invocation}") for route in demanded()
    }
    assert routes - public == guarded


def test_public_paths_are_named():
    text = DOCUMENT.read_text()
    assert all(f"`{path}`" in text for path in app.PUBLIC)
