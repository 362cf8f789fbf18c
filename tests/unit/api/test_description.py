"""The interface's description is complete, and the committed one is current."""

from __future__ import annotations

import json
import pathlib

import pytest

from mayfly.api import app

ROOT = pathlib.Path(__file__).resolve().parents[3]
DESCRIBED = app.make_openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
}
GUARDED = [key for key in OPERATIONS if key.split(" ")[1] not in app.PUBLIC]


def test_the_committed_description_is_current():
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert committed == DESCRIBED, "run `make generate`"


@pytest.mark.parametrize("key", OPERATIONS)
def test_every_operation_is_explained_and_errs_with_problems(key):
    operation = OPERATIONS[key]
    assert operation["summary"]
    assert operation["description"]
    assert operation["operationId"]
    assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("key", GUARDED)
def test_every_guarded_operation_says_so(key):
    assert OPERATIONS[key]["security"]
    assert {"401", "403", "503"} <= OPERATIONS[key]["responses"].keys()


def test_every_parameter_has_a_description():
    bare = [
        (key, parameter["name"])
        for key, operation in OPERATIONS.items()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert not bare


def test_every_reference_leads_somewhere():
    text = json.dumps(DESCRIBED)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= DESCRIBED["components"]["schemas"].keys()
