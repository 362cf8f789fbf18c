"""Apps and functions written for Azure Functions."""

from __future__ import annotations

import pytest


@pytest.fixture
def serve(start):
    def serve(case, handler="function_app:app"):
        return start(case, packages="azure", MAYFLY_SIGNATURE="azure", MAYFLY_HANDLER=handler).ready()

    return serve


def test_app(serve):
    """Every function of an app answers at its route, those of blueprints included."""
    runtime = serve("azure_shop")
    assert runtime.request("GET", "/api/Products/books/7").json() == {"category": "books", "id": "7"}
    assert runtime.request("GET", "/api/products/books").json() == {"category": "books"}
    made = runtime.request("POST", "/api/products/new?a=1", json={"name": "zoë"}, headers={"host": "shop.example"})
    assert made.text == "made zoë at http://shop.example/api/products/new?a=1"
    assert runtime.request("PUT", "/api/stock/a/b").text == "PUT a/b"
    assert runtime.request("GET", "/api/stock").text == "GET -"

    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    greeting = runtime.request("POST", "/api/greeting", headers={"traceparent": trace})
    assert (greeting.status_code, greeting.text) == (201, "hi greeting")
    assert (greeting.headers["x-trace"], greeting.headers["set-cookie"]) == (trace, "a=1")
    assert greeting.headers["content-type"] == "text/plain; charset=utf-8"


def test_refusals(serve):
    """A path without a route is 404, a method that the route does not take 405."""
    runtime = serve("azure_shop")
    assert runtime.request("GET", "/products/books/7").status_code == 404
    assert runtime.request("GET", "/api/products/7books/x").status_code == 404
    wrong = runtime.request("DELETE", "/api/products/new")
    assert (wrong.status_code, wrong.json()["detail"]) == (
        405,
        "DELETE is not among the methods of this route: GET, POST",
    )


def test_other_triggers(serve):
    """A timer runs on demand and on a tick of its schedule; what needs another binding is left out, says the log."""
    runtime = serve("azure_shop")
    assert runtime.request("POST", "/admin/functions/sweep").status_code == 202
    runtime.record(message="swept False")
    tick = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/f", "ce-type": "dev.mayfly.schedule"}
    assert runtime.request("POST", "/", headers=tick | {"ce-subject": "Sweep"}).status_code == 202
    assert runtime.request("POST", "/", headers=tick | {"ce-subject": "other"}).status_code == 404
    assert runtime.request("POST", "/", headers=tick | {"ce-type": "a", "ce-subject": "sweep"}).status_code == 404
    assert runtime.request("POST", "/api/order").status_code == 404
    warning = runtime.record(level="warning")["message"]
    assert "order (" in warning
    assert "queue" in warning


def test_wrapped_applications(serve):
    """The application inside an AsgiFunctionApp or a WsgiFunctionApp answers."""
    assert serve("azure_asgi").request("GET", "/hello/zoe").text == "hello zoe"
    assert serve("azure_wsgi").request("PUT", "/a/b").text == "PUT /a/b"


def test_model_v1(serve):
    """`main(req)` beside a function.json answers at every path and reads its route's parameters."""
    runtime = serve("azure_v1", "Hello:main")
    assert runtime.request("GET", "/api/hello/zoe").text == "Hello, zoe"
    assert runtime.request("POST", "/", params={"name": "ada"}).text == "Hello, ada"
    assert runtime.request("PUT", "/").status_code == 405


def test_bindings_are_named(start):
    """A function that cannot be served says which of its parameters is in the way."""
    runtime = start("azure_v1", packages="azure", MAYFLY_SIGNATURE="azure", MAYFLY_HANDLER="Hello:queued")
    assert runtime.exit_code() == 3
    assert "the parameters message are bindings" in runtime.termination.read_text()
