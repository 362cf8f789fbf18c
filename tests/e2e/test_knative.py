"""Knative's own objects through our gateway: several Services, DomainMapping, tags, splits, roll-out, visibility."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.person import User, make_function, wait_until

CLASS = "mayfly.ingress.networking.knative.dev"
SOURCE = """
import os

def hello(request):
    return {"revision": os.environ["K_REVISION"], "word": os.environ.get("WORD")}
"""


@pytest.fixture
def image(user: User) -> str:
    """Give the image of a Function that answers with its revision."""
    user.apply(make_function("source", {"main.py": SOURCE}, resources={"cpu": "20m"}))
    user.wait_ready("source")
    return str(user.get("fn", "source")["status"]["image"])


def make_service(user: User, name: str, word: str, *, traffic: Any = None, **labels: str) -> dict[str, Any]:
    """Return a Knative Service that runs what Function `source` runs; a new ``word`` makes a new revision."""
    template = user.get("ksvc", "source")["spec"]["template"]
    template["metadata"].pop("labels", None)
    template["spec"]["containers"][0]["env"] += [{"name": "WORD", "value": word}]
    metadata = {"name": name, "annotations": {"networking.knative.dev/ingress-class": CLASS}, "labels": labels}
    spec = {"template": template} | ({"traffic": traffic} if traffic else {})
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata, "spec": spec}


def deploy(user: User, *args: Any, **kwargs: Any) -> str:
    """Apply a Service, wait until it is ready, and return its newest revision."""
    made = make_service(user, *args, **kwargs)
    user.apply(made)
    generation = user.get("ksvc", made["metadata"]["name"])["metadata"]["generation"]

    def ready() -> bool:
        status = user.get("ksvc", made["metadata"]["name"]).get("status", {})
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        return status.get("observedGeneration") == generation and conditions.get("Ready") == "True"

    wait_until(ready, 120, f"{made['metadata']['name']} to be ready")
    return str(user.get("ksvc", made["metadata"]["name"])["status"]["latestReadyRevisionName"])


def call(user: User, host: str, **headers: str) -> httpx2.Response:
    return httpx2.get(user.gateway_url, headers={"Host": host, **headers}, timeout=60)


def words(user: User, host: str, count: int) -> collections.Counter[str]:
    """Return how often each revision answered."""
    with httpx2.Client(timeout=60) as client:
        return collections.Counter(
            client.get(user.gateway_url, headers={"Host": host}).json()["word"] for _ in range(count)
        )


@pytest.mark.usefixtures("image")
def test_tags_and_splits(user: User) -> None:
    """A tag has an address of its own; 400 calls divide 75 to 25 within seven points."""
    first = deploy(user, "blog", "one")
    domain = httpx2.URL(user.get("ksvc", "blog")["status"]["url"]).host
    second = deploy(user, "blog", "two")
    traffic = [{"revisionName": first, "percent": 75, "tag": "old"}, {"revisionName": second, "percent": 25}]
    deploy(user, "blog", "two", traffic=traffic)
    assert words(user, f"old-{domain}", 5) == {"one": 5}
    seen = words(user, domain, 400)
    assert set(seen) == {"one", "two"}
    assert 272 <= seen["one"] <= 328, seen


@pytest.mark.usefixtures("image")
def test_a_gradual_roll_out(user: User) -> None:
    """With a roll-out duration both revisions serve for a while, none fails, and the new one gets all in the end."""
    made = make_service(user, "shop", "one")
    made["metadata"]["annotations"]["serving.knative.dev/rollout-duration"] = "12s"
    user.apply(made)
    user.kubectl("wait", "ksvc/shop", "--for=condition=Ready", "--timeout=120s")
    domain = httpx2.URL(user.get("ksvc", "shop")["status"]["url"]).host
    new = make_service(user, "shop", "two")
    new["metadata"]["annotations"] = made["metadata"]["annotations"]
    user.apply(new)
    phases: list[set[str]] = []
    wait_until(lambda: phases.append(set(words(user, domain, 20))) or phases[-1] == {"two"}, 120, "the roll-out to end")
    assert {"one", "two"} in phases


@pytest.fixture
def claim(user: User) -> Iterator[str]:
    """Give a host of one's own that the namespace may map."""
    host = f"{user.namespace}.example.org"
    claim = {"apiVersion": "networking.internal.knative.dev/v1alpha1", "kind": "ClusterDomainClaim"}
    user.apply({**claim, "metadata": {"name": host}, "spec": {"namespace": user.namespace}})
    yield host
    user.kubectl("delete", "clusterdomainclaim", host)


@pytest.mark.usefixtures("image")
def test_a_domain_mapping(user: User, claim: str) -> None:
    """A DomainMapping leads to a Function; the same host in spec.http of another is refused by name."""
    mapping = {"apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping", "metadata": {"name": claim}}
    mapping["metadata"]["annotations"] = {"networking.knative.dev/ingress-class": CLASS}
    reference = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "source"}
    user.apply({**mapping, "spec": {"ref": reference}})
    user.kubectl("wait", f"domainmapping/{claim}", "--for=condition=Ready", "--timeout=60s")
    answer = call(user, claim)
    assert (answer.status_code, answer.json()["revision"]) == (200, "source-00001")
    user.apply(make_function("rival", {"main.py": SOURCE}, resources={"cpu": "20m"}, http={"hosts": [claim]}))
    wait_until(lambda: user.condition("rival").get("reason") == "HostTaken", 60, "the rival to be told")
    assert call(user, claim).json()["revision"] == "source-00001"


@pytest.mark.usefixtures("image")
def test_cluster_local_stays_inside(user: User) -> None:
    """A cluster-local Service answers inside under its name, and outside under none, whatever the caller claims."""
    deploy(user, "inner", "one", **{"networking.knative.dev/visibility": "cluster-local"})
    inside = user.kubectl(
        "get", "svc", "-n", "mayfly-system", "mayfly-gateway-internal", "-o", "jsonpath={.spec.clusterIP}"
    )
    names = [f"inner.{user.namespace}{tail}" for tail in ("", ".svc", ".svc.cluster.local")]
    assert [httpx2.get(f"http://{inside}", headers={"Host": name}, timeout=60).status_code for name in names] == [
        200
    ] * 3
    for name in (*names, f"inner.{user.namespace}.mayfly.localhost"):
        assert call(user, name).status_code == 404
        assert call(user, name, **{"X-Mayfly-Listener": "internal", "X-Forwarded-Host": name}).status_code == 404
