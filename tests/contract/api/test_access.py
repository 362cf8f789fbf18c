"""Who may do what: every route times every kind of caller, against the cluster's own rules."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from mayfly import settings
from mayfly.api import app
from mayfly.cluster import gatekeeper
from mayfly.store import ids
from tests.contract.api.conftest import make_function

SPACE = "/v1/namespaces/{namespace}"
BASE = SPACE + "/functions"
ONE = SPACE + "/invocations/{invocation}"
ALLOWED = {
    ("GET", BASE): 200,
    ("POST", BASE): 201,
    ("GET", BASE + "/{name}"): 404,
    ("PUT", BASE + "/{name}"): 200,
    ("DELETE", BASE + "/{name}"): 404,
    ("POST", BASE + "/{name}/source"): 201,
    ("GET", BASE + "/{name}/logs"): 404,
    ("POST", SPACE + "/events"): 202,
    ("GET", SPACE + "/invocations"): 200,
    ("GET", ONE): 404,
    ("GET", ONE + "/attempts"): 404,
    ("GET", ONE + "/result"): 404,
    ("GET", ONE + "/message"): 404,
    ("GET", ONE + "/logs"): 404,
    ("POST", ONE + "/cancel"): 404,
    ("POST", ONE + "/redrive"): 404,
    ("POST", ONE + "/replay"): 404,
    ("GET", SPACE + "/dead-letters"): 200,
    ("DELETE", SPACE + "/dead-letters"): 200,
    ("POST", SPACE + "/dead-letters/redrive"): 200,
    ("GET", SPACE + "/queues"): 200,
}
"""What each route answers to someone who may, for a name that is not there yet."""


def find_routes():
    made = app.make_app(settings.ApiSettings(), app._connect_nothing)
    return {
        (method, path): operation
        for path, methods in made.openapi()["paths"].items()
        for method, operation in ((name.upper(), value) for name, value in methods.items())
    }


ROUTES = find_routes()
GUARDED = sorted(key for key in ROUTES if key[1] not in app.PUBLIC)
READING = {route for route in GUARDED if route[0] == "GET"}


def expect(route, who):
    if who in {"nobody", "forger", "editor for another"}:
        return 401
    if who == "stranger" or (who == "viewer" and route not in READING):
        return 403
    return ALLOWED[route]


def make_body(path, name):
    """Return what a route takes: body and content type."""
    if path.endswith("/source"):
        return b"\x1f\x8b" + b"x" * 100, "application/gzip"
    if path.endswith("/events"):
        event = {"specversion": "1.0", "id": name, "source": "/t", "type": "t"}
        return json.dumps(event).encode(), "application/cloudevents+json"
    if path.endswith("/replay"):
        return b"{}", "application/json"
    return json.dumps(make_function(name)).encode(), "application/json"


def send(world, route, who):
    method, path = route
    name = f"fn-{uuid.uuid4().hex[:8]}"
    body, media = make_body(path, name)
    tokens = {**world.tokens, "forger": world.tokens["editor"][:-8] + "AAAAAAAA"}
    headers = {"Authorization": f"Bearer {tokens[who]}"} if who != "nobody" else {}
    sends = {"content": body} if method in {"POST", "PUT"} else {}
    with world.as_user(None) as http:
        url = path.format(namespace=world.namespace, name=name, invocation=ids.make_id(time.time()))
        return http.request(method, url, headers={**headers, "Content-Type": media}, **sends)


PEOPLE = ["nobody", "forger", "editor for another", "stranger", "viewer", "editor", "editor for mayfly"]


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
def test_every_route_asks_kubernetes(world, route, who):
    """A caller gets exactly what the cluster's rules give, and a refusal says nothing about what is there."""
    answer = send(world, route, who)
    assert answer.status_code == expect(route, who), answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def test_the_matrix_has_every_route():
    assert set(GUARDED) == set(ALLOWED)


def test_a_refusal_names_the_caller_and_the_rule_that_is_missing(world):
    with world.as_user("viewer") as http:
        problem = http.delete(f"/v1/namespaces/{world.namespace}/functions/x").json()
    assert f"system:serviceaccount:{world.namespace}:viewer may not delete functions" in problem["detail"]
    assert "verbs [delete]" in problem["detail"]


def test_the_token_may_come_in_a_header_of_its_own(world):
    """The API server's service proxy removes Authorization."""
    path = f"/v1/namespaces/{world.namespace}/functions"
    with world.as_user(None, **{gatekeeper.TOKEN_HEADER: world.tokens["viewer"]}) as http:
        assert http.get(path).status_code == 200
    with world.as_user("editor", **{gatekeeper.TOKEN_HEADER: "wrong"}) as http:
        assert http.get(path).status_code == 401


@pytest.mark.parametrize("path", sorted(app.PUBLIC))
def test_the_public_paths_need_no_token(world, path):
    with world.as_user(None) as http:
        assert http.get(path).status_code == 200


@pytest.mark.parametrize("namespace", ["kube-system", "default", "no-such-namespace"])
def test_a_right_in_one_namespace_is_none_in_another(world, namespace):
    with world.as_user("editor") as http:
        assert http.get(f"/v1/namespaces/{namespace}/functions").status_code == 403
        assert http.get(f"/v1/namespaces/{namespace}/functions/x").status_code == 403
