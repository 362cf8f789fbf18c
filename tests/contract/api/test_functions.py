"""Functions over HTTP: create, read, list in pages, apply, delete, and the errors of each."""

from __future__ import annotations

import uuid

import pytest

from tests.contract.api.conftest import make_function


@pytest.fixture
def http(world):
    with world.as_user("editor") as made:
        yield made


@pytest.fixture
def path(world):
    return f"/v1/namespaces/{world.namespace}/functions"


def test_a_function_lives_from_post_to_delete(http, path, function):
    name = function["metadata"]["name"]
    made = http.post(path, json=function)
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == f'"{made.json()["metadata"]["resourceVersion"]}"'
    assert "managedFields" not in made.json()["metadata"]
    read = http.get(f"{path}/{name}")
    assert read.json()["spec"] == function["spec"]
    assert http.get(f"{path}/{name}", headers={"If-None-Match": read.headers["etag"]}).status_code == 304
    assert http.post(path, json=function).status_code == 409
    assert http.delete(f"{path}/{name}").status_code == 204
    assert http.get(f"{path}/{name}").status_code == 404


def test_put_makes_it_so_and_removes_what_it_leaves_out(http, path, function):
    url = f"{path}/{function['metadata']['name']}"
    function["spec"]["timeout"] = "5s"
    assert http.put(url, json=function).json()["spec"]["timeout"] == "5s"
    del function["spec"]["timeout"]
    assert "timeout" not in http.put(url, json=function).json()["spec"]


def test_a_field_of_another_manager_is_taken_by_force_alone(http, path, function):
    url = f"{path}/{function['metadata']['name']}"
    function["spec"]["timeout"] = "5s"
    http.put(url, json=function, params={"fieldManager": "ada"})
    function["spec"]["timeout"] = "6s"
    refused = http.put(url, json=function, params={"fieldManager": "bob"})
    assert refused.status_code == 409
    assert "ada" in refused.json()["detail"]
    taken = http.put(url, json=function, params={"fieldManager": "bob", "force": "true"})
    assert taken.json()["spec"]["timeout"] == "6s"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_if_match_protects_from_lost_updates(http, path, function, method):
    url = f"{path}/{function['metadata']['name']}"
    old = http.put(url, json=function).headers["etag"]
    function["spec"]["timeout"] = "7s"
    new = http.put(url, json=function).headers["etag"]
    sends = {"json": function} if method == "PUT" else {}
    stale = http.request(method, url, headers={"If-Match": old}, **sends)
    assert stale.status_code == 412, stale.text
    assert http.request(method, url, headers={"If-Match": new}, **sends).status_code in {200, 204}


def test_a_dry_run_stores_nothing(http, path, function):
    url = f"{path}/{function['metadata']['name']}"
    assert http.put(url, json=function, params={"dryRun": "true"}).status_code == 200
    assert http.get(url).status_code == 404


def test_a_list_comes_in_pages(http, path):
    group = uuid.uuid4().hex[:8]
    names = [f"page-{group}-{number}" for number in range(5)]
    for name in names:
        made = make_function(name)
        made["metadata"]["labels"] = {"group": group}
        assert http.post(path, json=made).status_code == 201
    found, token = [], None
    while True:
        query = {"limit": 2, "labelSelector": f"group={group}"} | ({"continue": token} if token else {})
        page = http.get(path, params=query).json()
        assert len(page["items"]) <= 2
        assert all(item["kind"] == "Function" for item in page["items"])
        found += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        if not token:
            break
    assert found == names


REFUSED = {
    "unknown field": (lambda f: f["spec"].update(sourc={}), 422, "sourc"),
    "two sources": (lambda f: f["spec"]["source"].update(image="x"), 422, "exactly one of source.inline"),
    "other kind": (lambda f: f.update(kind="Pod"), 422, "kind is 'Pod'"),
    "other namespace": (lambda f: f["metadata"].update(namespace="kube-system"), 400, "kube-system"),
    "no name": (lambda f: f["metadata"].pop("name"), 422, "metadata.name is missing"),
    "long name": (lambda f: f["metadata"].update(name="a" * 53), 422, "at most 52"),
    "name with slash": (lambda f: f["metadata"].update(name="a/../b"), 422, "a/../b"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_function_is_refused_with_its_rule(http, path, function, case):
    change, status, words = REFUSED[case]
    change(function)
    answer = http.post(path, json=function)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


BODIES = {
    "not json": (b"{", 400),
    "a list": (b"[]", 400),
    "nested deep": (b"[" * 100_000, 400),
    "twice the key": (b'{"kind": 1, "kind": 2}', 400),
    "not a number": (b'{"a": NaN}', 400),
    "too large": (b" " * (2 * 1024 * 1024 + 1), 413),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_function_is_refused(http, path, case):
    body, status = BODIES[case]
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_another_content_type_is_refused(http, path):
    assert http.post(path, content=b"a: b", headers={"Content-Type": "application/yaml"}).status_code == 415


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x"])
def test_a_wrong_parameter_is_named(http, path, query):
    answer = http.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "query.limit"


@pytest.mark.parametrize("tail", ["/UPPER", "/a_b", "/..%2f..%2fpods", "/a/b/c"])
def test_a_path_that_is_no_name_reaches_nothing(http, path, tail):
    assert http.get(path + tail).status_code in {400, 404}


def test_an_unknown_path_and_method_are_problems_too(http, path):
    assert http.patch(path).json()["status"] == 405
    assert http.get("/v2").json()["status"] == 404
