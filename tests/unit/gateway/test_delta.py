"""The order and economy of what one Envoy is told."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from mayfly.gateway import delta, snapshot
from mayfly.routing import wire


class Envoy:
    """The other end of a stream: subscribes, acknowledges, and keeps what it was told."""

    def __init__(self, resources: snapshot.Snapshot) -> None:
        self.verdicts: list[delta.Verdict] = []
        self.stream = delta.Stream(resources, on_verdict=self.verdicts.append)
        self.forget = resources.observe(self.stream.notify)

    def ask(self, type_url: str, *names: str, **known: str) -> None:
        """Subscribe to names, telling which versions it has."""
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
        request.initial_resource_versions.update(known)
        self.stream.receive(request)

    def hear(self) -> list[discovery_pb2.DeltaDiscoveryResponse]:
        """Return what it is told now, not yet acknowledged."""
        return [discovery_pb2.DeltaDiscoveryResponse.FromString(data) for data in self.stream.responses()]

    def answer(self, response: Any, error: str = "") -> None:
        """Acknowledge a response, or refuse it."""
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if error:
            request.error_detail.message = error
        self.stream.receive(request)

    def take(self) -> list[tuple[str, list[str], list[str]]]:
        """Hear and acknowledge until there is nothing more; return type, names and removals of each response."""
        told = []
        while heard := self.hear():
            for response in heard:
                told.append(short(response))
                self.answer(response)
        return told


def short(response: Any) -> tuple[str, list[str], list[str]]:
    kind = response.type_url.rsplit(".", 1)[1]
    return kind, [resource.name for resource in response.resources], list(response.removed_resources)


def pack(type_url: str, name: str, body: bytes = b"1") -> wire.Resource:
    return wire.pack(type_url, name, body)


@pytest.fixture
def resources() -> snapshot.Snapshot:
    """Give a snapshot with a cluster, its endpoints, and a scope."""
    made = snapshot.Snapshot()
    made.put(pack(wire.ENDPOINTS, "a"))
    made.put(pack(wire.CLUSTER, "a"))
    made.put(pack(wire.SCOPES, "public/a"))
    return made


def connect(resources: snapshot.Snapshot) -> Envoy:
    """Return an Envoy that has everything."""
    envoy = Envoy(resources)
    envoy.ask(wire.CLUSTER)
    envoy.take()
    envoy.ask(wire.ENDPOINTS, *resources.names(wire.ENDPOINTS))
    envoy.ask(wire.SCOPES)
    envoy.take()
    return envoy


def test_routes_wait_for_the_endpoints_of_their_clusters(resources: snapshot.Snapshot) -> None:
    """A new route goes out only when Envoy has confirmed cluster and endpoints."""
    envoy = connect(resources)
    resources.put(pack(wire.SCOPES, "public/b"))
    resources.put(pack(wire.ENDPOINTS, "b"))
    resources.put(pack(wire.CLUSTER, "b"))
    [cluster] = envoy.hear()
    assert short(cluster) == ("Cluster", ["b"], [])
    assert not envoy.hear()
    envoy.answer(cluster)
    assert not envoy.hear()
    envoy.ask(wire.ENDPOINTS, "b")
    [endpoints] = envoy.hear()
    assert not envoy.hear()
    envoy.answer(endpoints)
    assert [short(heard) for heard in envoy.hear()] == [("ScopedRouteConfiguration", ["public/b"], [])]


def test_clusters_go_after_the_routes(resources: snapshot.Snapshot) -> None:
    """A cluster that is no longer wanted is removed when the routes without it are confirmed."""
    envoy = connect(resources)
    resources.remove(wire.CLUSTER, "a")
    resources.remove(wire.ENDPOINTS, "a")
    resources.remove(wire.SCOPES, "public/a")
    told = envoy.take()
    assert told.index(("ScopedRouteConfiguration", [], ["public/a"])) < told.index(("Cluster", [], ["a"]))


def test_a_replaced_cluster_gets_its_endpoints_again(resources: snapshot.Snapshot) -> None:
    """Envoy forgets the endpoints of a cluster that it replaces."""
    envoy = connect(resources)
    resources.put(pack(wire.CLUSTER, "a", b"2"))
    assert ("ClusterLoadAssignment", ["a"], []) in envoy.take()


def test_a_cluster_that_goes_before_it_is_warm_holds_nothing_up(resources: snapshot.Snapshot) -> None:
    """Routes are not held for a cluster that no longer exists."""
    envoy = connect(resources)
    resources.put(pack(wire.ENDPOINTS, "b"))
    resources.put(pack(wire.CLUSTER, "b"))
    [cluster] = envoy.hear()
    resources.remove(wire.CLUSTER, "b")
    resources.remove(wire.ENDPOINTS, "b")
    resources.put(pack(wire.SCOPES, "public/c"))
    envoy.answer(cluster)
    assert ("ScopedRouteConfiguration", ["public/c"], []) in envoy.take()


def test_what_envoy_has_is_not_sent_again(resources: snapshot.Snapshot) -> None:
    """A new stream brings only what differs from what Envoy says it has, and removes what is gone."""
    known = {"a": resources.get(wire.CLUSTER, "a").version, "old": "7"}
    envoy = Envoy(resources)
    envoy.ask(wire.CLUSTER, **known)
    assert [short(heard) for heard in envoy.hear()] == [("Cluster", [], ["old"])]


def test_nothing_is_an_answer_too() -> None:
    """Envoy waits for a first response of a wildcard type, even an empty one; it gets one, not two."""
    envoy = Envoy(snapshot.Snapshot())
    envoy.ask(wire.CLUSTER)
    assert envoy.take() == [("Cluster", [], [])]


def test_changes_under_way_are_merged(resources: snapshot.Snapshot) -> None:
    """While a response is under way no other of its type goes out; the next one carries the newest versions."""
    envoy = connect(resources)
    resources.put(pack(wire.SCOPES, "public/a", b"2"))
    [first] = envoy.hear()
    for number in range(3, 9):
        resources.put(pack(wire.SCOPES, "public/a", b"%d" % number))
        resources.put(pack(wire.SCOPES, f"public/{number}"))
    assert not envoy.hear()
    envoy.answer(first)
    [second] = envoy.hear()
    assert len(second.resources) == 7
    assert second.resources[6].version == resources.get(wire.SCOPES, "public/a").version


def test_a_stale_answer_concludes_nothing(resources: snapshot.Snapshot) -> None:
    """An answer to another nonce is no verdict on what is under way."""
    envoy = connect(resources)
    count = len(envoy.verdicts)
    resources.put(pack(wire.SCOPES, "public/a", b"2"))
    [response] = envoy.hear()
    stale = discovery_pb2.DeltaDiscoveryResponse(type_url=wire.SCOPES, nonce="stale")
    envoy.answer(stale)
    assert count == len(envoy.verdicts)
    envoy.answer(response)
    assert count + 1 == len(envoy.verdicts)


def test_a_refused_response_is_sent_again_once_it_changed(resources: snapshot.Snapshot) -> None:
    """What was refused with a bad resource may be sound: it goes out again without it, and never in a loop."""
    envoy = connect(resources)
    resources.put(pack(wire.SCOPES, "public/good"))
    resources.put(pack(wire.SCOPES, "public/bad"))
    [response] = envoy.hear()
    envoy.answer(response, error="bad")
    assert envoy.verdicts[-1].error == "bad"
    assert set(envoy.verdicts[-1].versions) == {"public/good", "public/bad"}
    assert not envoy.hear()
    resources.remove(wire.SCOPES, "public/bad")
    assert envoy.take() == [("ScopedRouteConfiguration", ["public/good"], ["public/bad"])]


def test_a_name_asked_for_again_is_sent_again(resources: snapshot.Snapshot) -> None:
    """Subscribing a second time means that Envoy lost it."""
    envoy = connect(resources)
    envoy.ask(wire.ENDPOINTS, "a")
    assert envoy.take() == [("ClusterLoadAssignment", ["a"], [])]


def test_certificates_go_one_by_one() -> None:
    """A refused certificate is known by its name, and the next one goes out all the same; a renewed one alone."""
    resources = snapshot.Snapshot()
    for name in ("a", "b", "c"):
        resources.put(pack(wire.SECRET, name))
    envoy = Envoy(resources)
    envoy.ask(wire.SECRET, "a", "b", "c")
    told = []
    while heard := envoy.hear():
        told += [resource.name for resource in heard[0].resources]
        envoy.answer(heard[0], "no" if told[-1] == "b" else "")
    assert told == ["a", "b", "c"]
    assert [(list(verdict.versions), verdict.error) for verdict in envoy.verdicts] == [
        (["a"], ""),
        (["b"], "no"),
        (["c"], ""),
    ]
    resources.put(pack(wire.SECRET, "c", b"2"))
    assert envoy.take() == [("Secret", ["c"], [])]
