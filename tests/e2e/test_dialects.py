"""Functions written for somebody else's platform, deployed as they are: found out, built, and answering."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.person import User, make_function

KNATIVE = """
class Function:
    async def handle(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [[b"content-type", b"text/plain"]]})
        await send({"type": "http.response.body", "body": b"knative " + scope["query_string"]})


def new():
    return Function()
"""
TYPED = """
import dataclasses


@dataclasses.dataclass
class Order:
    id: str
    cents: int


def price(order: Order) -> dict:
    return {"id": order.id, "euros": order.cents / 100}
"""
AZURE = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="greet/{name}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def greet(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("azure " + req.route_params["name"])
"""
FISSION = """
from flask import request


def main():
    return "fission " + request.args["name"]
"""
OPENFAAS = "def handle(event, context):\n    return {'statusCode': 201, 'body': 'openfaas ' + event.query['name']}\n"
NUCLIO = """
def handler(context, event):
    return context.Response(body="nuclio " + event.get_header("x-name"), content_type="text/plain", status_code=202)
"""
WHISK = "def main(args):\n    return {'body': 'openwhisk ' + args['name']}\n"

CASES: dict[str, tuple[dict[str, str], dict[str, Any], int, str]] = {
    "knative": ({"func.py": KNATIVE}, {"path": "/?name=ada"}, 200, "knative name=ada"),
    "openfaas": ({"handler.py": OPENFAAS}, {"path": "/?name=ada"}, 201, "openfaas ada"),
    "nuclio": ({"main.py": NUCLIO}, {"headers": {"x-name": "ada"}}, 202, "nuclio ada"),
    "openwhisk": ({"__main__.py": WHISK}, {"path": "/?name=ada"}, 200, "openwhisk ada"),
    "typed": (
        {"main.py": TYPED},
        {"method": "POST", "json": {"id": "o-1", "cents": 250}},
        200,
        '{"id":"o-1","euros":2.5}',
    ),
    "azure": (
        {"function_app.py": AZURE, "requirements.txt": "azure-functions==1.26.0\n"},
        {"path": "/api/greet/ada"},
        200,
        "azure ada",
    ),
    "fission": ({"main.py": FISSION, "requirements.txt": "flask==3.1.3\n"}, {"path": "/?name=ada"}, 200, "fission ada"),
}


@pytest.mark.parametrize("signature", CASES)
def test_it_runs_as_it_is(user: User, signature: str) -> None:
    """The signature is found out and said, and the answer is the one its own platform would give."""
    files, call, status, text = CASES[signature]
    user.apply(make_function("guest", files, resources={"cpu": "20m"}))
    user.wait_ready("guest")
    assert user.get("fn", "guest")["status"]["signature"] == signature
    answer = user.call("guest", **call)
    assert (answer.status_code, answer.text) == (status, text)


def test_a_typed_function_says_what_is_wrong_with_which_field(user: User) -> None:
    """422 with the fields, and its own description for programs."""
    user.apply(make_function("guest", {"main.py": TYPED}, resources={"cpu": "20m"}))
    user.wait_ready("guest")
    refused = user.call("guest", "/", "POST", json={"id": "o-1", "cents": "many"})
    assert refused.status_code == 422
    assert "cents" in refused.text
    assert user.call("guest", "/openapi.json").json()["openapi"].startswith("3.")
