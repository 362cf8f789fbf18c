"""What the gateway gives Envoy so that asynchronous calls and events reach the eventing process, and nothing else does.

``MAYFLY_UPDATE_GOLDEN=1 pytest tests/unit/routing`` writes the expected files anew; read the difference first.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mayfly.gateway import snapshot, table
from mayfly.model import exposure, handover
from mayfly.routing import asynchronous, edge, ingress, policy, replies, routes, unusual, wire
from tests.unit.routing import objects, test_golden, test_policy

TOKEN = "token-%-of-the-platform"
EVENTING = edge.Eventing("mayfly-system", "mayfly-eventing", 8080, hosts=("Events.example.com",))
TAKING = dataclasses.replace(test_golden.PLACE, eventing=EVENTING)
GUARDED = {
    "hosts": ["img.example.com", "own.example.com"],
    "paths": [{"path": "/thumb", "methods": ["POST"], "rewrite": "/"}, {"path": "/one", "exact": True}],
    "maxRequestSize": "1Ki",
    "cors": {"origins": ["https://shop.example.com"]},
}


def decode(resource: wire.Resource | None, message: Any) -> Any:
    """Return a resource as JSON, with what the library does not know."""
    assert resource is not None
    found = discovery_pb2.Resource.FromString(resource.encoded).resource
    return test_policy.decode(message.FromString(found.value))


def make_table(*functions: dict[str, Any], token: str = TOKEN) -> snapshot.Snapshot:
    """Return what a table gives Envoy."""
    resources = snapshot.Snapshot()
    known = table.Table(resources, place=TAKING)
    known.hand_over(token)
    for obj in functions:
        known.put_ingress(obj)
    return resources


def routes_of(resources: snapshot.Snapshot, scope: str) -> list[Any]:
    """Return the routes of a scope."""
    found = resources.get(wire.SCOPES, scope)
    assert found is not None
    packed = discovery_pb2.Resource.FromString(found.encoded).resource
    made = scoped_route_pb2.ScopedRouteConfiguration.FromString(packed.value)
    (virtual_host,) = made.route_configuration.virtual_hosts
    return list(virtual_host.routes)


def leads(resources: snapshot.Snapshot, scope: str) -> bool:
    """Tell whether a scope has a route to the eventing process."""
    return any(route.route.cluster == asynchronous.CLUSTER for route in routes_of(resources, scope))


@pytest.mark.parametrize(
    "scope",
    [
        "public/guarded.shop.example.com",
        "internal/guarded.shop.svc.cluster.local",
        "internal/img.example.com",
        "public/events.example.com",
        "internal/mayfly-events.mayfly-system.svc",
    ],
)
def test_scopes(scope: str) -> None:
    """Routes to the eventing process stand before the others, under the policy; what it delivers is exempt inside."""
    made = make_table(objects.function("guarded", http=GUARDED))
    found = decode(made.get(wire.SCOPES, scope), scoped_route_pb2.ScopedRouteConfiguration)
    test_golden.compare(f"asynchronous-{scope.replace('/', '-')}", found)


def test_the_cluster() -> None:
    """It tells the process what it is to know, tries again for some seconds, and refuses while there is no instance."""
    made = make_table()
    test_golden.compare(
        "asynchronous-cluster",
        {
            "cluster": decode(made.get(wire.CLUSTER, asynchronous.CLUSTER), cluster_pb2.Cluster),
            "endpoints": test_golden.decode(made.get(wire.ENDPOINTS, asynchronous.CLUSTER)),  # type: ignore[arg-type]
        },
    )


def test_the_mark() -> None:
    """What is unusual, and what is done about it, with somebody to take calls."""
    test_golden.compare("asynchronous-mark", test_policy.decode(unusual.make_filter(TAKING)))


@pytest.mark.parametrize(
    ("obj", "token", "taken"),
    [
        (objects.function("f"), TOKEN, True),
        (objects.function("f", http={}), TOKEN, True),
        (objects.function("f"), "", False),
        (objects.function("f", http={"async": False}), TOKEN, False),
        (objects.plain("f", "f.shop.example.com"), TOKEN, False),
    ],
    ids=["a Function", "with an exposure", "no token", "it takes none", "a Knative Service"],
)
def test_who_takes_calls(obj: dict[str, Any], token: str, taken: bool) -> None:
    """Functions do, unless they say otherwise, while there is a token."""
    assert leads(make_table(obj, token=token), "public/f.shop.example.com") is taken


def test_a_tag_takes_none() -> None:
    """At the host of a tagged revision there are only calls at once, at all others of the Function both."""
    made = make_table(objects.function("f", tags=("new", "old")))
    found = {routes.host_of(name): leads(made, name) for name in made.names(wire.SCOPES) if "f.shop" in name}
    assert {host for host, taken in found.items() if taken} == {
        "f.shop.example.com",
        "f.shop",
        "f.shop.svc",
        "f.shop.svc.cluster.local",
    }
    assert {"new-f.shop.example.com", "old-f.shop.svc"} <= found.keys()


def test_a_split_takes_calls_once() -> None:
    """Whatever revisions answer: there is one place for calls."""
    made = make_table(objects.function("f", revisions=("a", "b")))
    found = routes_of(made, "public/f.shop.example.com")
    assert [route.route.cluster for route in found].count(asynchronous.CLUSTER) == 1


def test_no_cluster_of_a_service_is_the_eventing_processs() -> None:
    """An ingress names a namespace, a Service and a port; the cluster with the token has no such name."""
    assert "/" not in asynchronous.CLUSTER
    assert "/" in ingress.Backend("", "eventing", "").cluster


def test_what_the_policy_is_exempt_of_is_the_token_inside() -> None:
    """On listeners of strangers, and without a token, there is nothing that a caller could show."""
    found = exposure.Http.model_validate({"maxRequestSize": "1Ki"})
    texts = {
        (listener, token): policy.make_policy(found, listener=listener, credentials=policy.Credentials(), token=token)
        .per_filter[0][1]
        .value
        for listener in edge.LISTENERS
        for token in ("", TOKEN)
    }
    assert [key for key, text in texts.items() if handover.DELIVERY.encode() in text] == [("internal", TOKEN)]


def test_refusals_of_calls_have_words_of_their_own() -> None:
    """They stand before those about functions, for what has the token of the cluster on, and say when to come."""
    for status in (503, 504):
        found = [problem for problem in replies.PROBLEMS if problem.status == status and problem.flags != ("OM", "UO")]
        ours = [problem for problem in found if problem.header == handover.TOKEN]
        assert found[: len(ours)] == ours
        assert all(problem.retry_seconds for problem in ours)
        assert not any("function" in problem.detail for problem in ours)


def test_the_names_of_the_events_service() -> None:
    """As Kubernetes resolves it from every namespace; none without somebody to take events."""
    assert TAKING.event_hosts == ("events.example.com",)
    assert TAKING.local_event_hosts == (
        "mayfly-events.mayfly-system",
        "mayfly-events.mayfly-system.svc",
        "mayfly-events.mayfly-system.svc.cluster.local",
    )
    assert test_golden.PLACE.local_event_hosts == ()
    assert dataclasses.replace(TAKING, internal_host="gateway").local_event_hosts == ()


def test_a_hosts_name_cannot_leave_the_script() -> None:
    """Whatever stands in the settings is a text in Lua."""
    sly = dataclasses.replace(TAKING, eventing=dataclasses.replace(EVENTING, hosts=('x"] = os.exit() --',)))
    text = json.dumps(test_policy.decode(unusual.make_filter(sly)))
    assert r"x\\\"] = os.exit() --" in text


def test_only_functions_have_the_label() -> None:
    """A Knative Service that some Function's name was taken from is none."""
    plain = ingress.parse_ingress(objects.plain("f", "f.example.com"))
    assert (plain.function, plain.is_function, plain.takes_calls) == ("f", False, False)
    made = ingress.parse_ingress(objects.ingress("bare", objects.rule(["a.b"], objects.path(objects.split("s")))))
    assert (made.is_function, made.own_hosts) == (False, frozenset({"a.b"}))
