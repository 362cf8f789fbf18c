"""Functions whose type hints say what they take."""

from __future__ import annotations

import pytest

ORDER = {"customer": "Zoë", "items": [{"sku": "a", "quantity": 2}, {"sku": "b", "size": "l"}], "due": "2030-01-02"}


@pytest.fixture
def take(start):
    return start("orders", MAYFLY_SIGNATURE="typed", MAYFLY_HANDLER="main:take").ready()


def test_classes(take):
    """A body becomes the classes it is annotated with, and a class becomes the answer."""
    receipt = take.request("POST", "/", json=ORDER)
    assert receipt.json() == {"customer": "Zoë", "pieces": 3, "due": "2030-01-02", "largest": "s"}
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    assert take.request("POST", "/", headers=headers, json=ORDER).json() == receipt.json(), "an event's data"


def test_faults(take):
    """Every field that does not fit is named, in one 422."""
    refused = take.request(
        "POST",
        "/",
        json={"items": [{"sku": 1}, {"quantity": True, "sku": "b"}, {"sku": "c", "quantity": 0}], "due": "soon"},
    )
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert refused.json()["errors"] == [
        {"field": "customer", "message": "is required"},
        {"field": "items.0.sku", "message": "must be text, not a number"},
        {"field": "items.1.quantity", "message": "must be an integer, not true or false"},
        {"field": "items.2", "message": "quantity must be 1 or more"},
        {"field": "due", "message": "must be a date (YYYY-MM-DD)"},
    ]
    assert "'customer' is required (and 4 more" in refused.json()["detail"]
    assert take.request("POST", "/", content=b"{").status_code == 400


def test_description(take):
    """`GET /openapi.json` describes body, result and refusal."""
    found = take.request("GET", "/openapi.json").json()
    operation = found["paths"]["/"]["post"]
    assert (found["openapi"], operation["operationId"], operation["summary"]) == ("3.1.0", "take", "Take an order.")
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Order"}
    assert found["components"]["schemas"]["Order"]["required"] == ["customer", "items"]
    assert found["components"]["schemas"]["Item"]["properties"]["size"] == {"enum": ["s", "l"]}
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Receipt")
    assert "422" in operation["responses"]


def test_query(start):
    """Without a body the query's parameters are read, numbers and booleans from their text."""
    runtime = start("orders", MAYFLY_SIGNATURE="typed", MAYFLY_HANDLER="main:show").ready()
    assert runtime.request("GET", "/?number=3&compact=true").json() == {"page": 4, "compact": True}
    assert runtime.request("GET", "/?number=x&compact=true").json()["errors"][0]["field"] == "number"


def test_pydantic(start):
    """Pydantic models are checked, written and described by the pydantic that the function brings."""
    runtime = start(
        "orders_pydantic", packages="pydantic", MAYFLY_SIGNATURE="typed", MAYFLY_HANDLER="main:take"
    ).ready()
    assert runtime.request("POST", "/", json=ORDER).json() == {"customer": "Zoë", "pieces": 3}
    refused = runtime.request("POST", "/", json={"customer": "a", "items": [{"sku": "s", "quantity": 0}]})
    assert refused.json()["errors"] == [
        {"field": "items.0.quantity", "message": "Input should be greater than or equal to 1"}
    ]
    found = runtime.request("GET", "/openapi.json").json()
    assert found["components"]["schemas"]["Item"]["properties"]["quantity"]["minimum"] == 1


def test_pydantic_inside_a_list(start):
    """Models inside lists are written too."""
    runtime = start(
        "orders_pydantic", packages="pydantic", MAYFLY_SIGNATURE="typed", MAYFLY_HANDLER="main:several"
    ).ready()
    assert runtime.request("POST", "/", json=ORDER).json() == [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 1}]


def test_no_hint(start):
    """Without a type hint the function cannot be checked, which its author is told."""
    runtime = start("orders", MAYFLY_SIGNATURE="typed", MAYFLY_HANDLER="main:bare")
    assert runtime.exit_code() == 3
    assert "needs a type hint on 'anything'" in runtime.termination.read_text()
