"""What the table gives Envoy depends on what is, not on how it came about."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.gateway import delta, snapshot, table
from mayfly.routing import backends, certificates, ingress, wire
from tests.unit.routing import objects, test_golden

TYPES = (wire.CLUSTER, wire.ENDPOINTS, wire.LISTENER, wire.SCOPES, wire.SECRET)

INGRESSES = st.builds(
    lambda name, hosts, service, created, visibility, secret: objects.ingress(
        name,
        objects.rule(hosts, objects.path(objects.split(service)), visibility=visibility),
        created=f"2026-01-0{created}T00:00:00Z",
        tls=[{"secretName": secret}] if secret else [],
    ),
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.sampled_from(["x.example.com", "y.example.com", "*"]), min_size=1, max_size=2, unique=True),
    st.sampled_from(["s", "t"]),
    st.integers(1, 3),
    st.sampled_from(["ExternalIP", "ClusterLocal"]),
    st.sampled_from(["", "k", "l"]),
)
SERVICES = st.builds(
    objects.service,
    st.sampled_from(["s", "t"]),
    port_name=st.sampled_from(["http", "http2"]),
    type=st.sampled_from(["ClusterIP", "ExternalName"]),
    externalName=st.just("far.example.net"),
)
SLICES = st.builds(
    lambda service, addresses: objects.slice_(service, *addresses, port=8012),
    st.sampled_from(["s", "t"]),
    st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), max_size=2, unique=True),
)
PRIVATE = {"serving.knative.dev/revision": "s", "networking.internal.knative.dev/serviceType": "Private"}


def make_instances(*addresses: str, name: str = "s-private") -> dict[str, Any]:
    """Return a slice of the revision's own pods."""
    made = objects.slice_("s-private", *addresses, port=8012)
    made["metadata"]["name"] = name
    made["metadata"]["labels"] |= PRIVATE
    return made


INSTANCES = st.builds(
    lambda name, addresses: make_instances(*addresses, name=name),
    st.sampled_from(["p", "q"]),
    st.lists(st.sampled_from(["10.0.0.3", "10.0.0.4"]), max_size=2, unique=True),
)
SECRETS = st.builds(
    lambda name, key: {"metadata": {"name": name}, "key": key}, st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"])
)
STEPS = st.lists(st.tuples(st.one_of(INGRESSES, SERVICES, SLICES, INSTANCES, SECRETS), st.booleans()), max_size=12)


def name_of(obj: dict[str, Any]) -> tuple[str, str]:
    kind = "Ingress" if obj.get("kind") else "Slice" if "endpoints" in obj else "Secret" if "key" in obj else "Service"
    return kind, obj["metadata"]["name"]


class Table(table.Table):
    """A table whose Secrets come from memory."""

    def __init__(self, resources: snapshot.Snapshot) -> None:
        super().__init__(resources, place=test_golden.PLACE)
        self.secrets: dict[ingress.SecretName, certificates.Certificate] = {}
        self.keys.on_want = lambda name, wanted: self.keys.put(name, self.secrets.get(name)) if wanted else None

    def put_secret(self, name: ingress.SecretName, key: bytes | None) -> None:
        """Create, change or delete a Secret."""
        self.secrets.pop(name, None)
        if key is not None:
            self.secrets[name] = certificates.Certificate(b"chain", key)
        self.keys.put(name, self.secrets.get(name))


def feed(known: Table, obj: dict[str, Any], *, there: bool = True) -> None:
    """Tell a table that an object is there, or is gone."""
    kind, name = name_of(obj)
    if kind == "Ingress":
        known.put_ingress(obj) if there else known.drop_ingress(ingress.Key("shop", name))
    elif kind == "Service":
        known.upstreams.put_service(("shop", name), backends.parse_service(obj) if there else None)
    elif kind == "Secret":
        known.put_secret(ingress.SecretName("shop", name), obj["key"].encode() if there else None)
    else:
        service = obj["metadata"]["labels"][backends.SERVICE_LABEL]
        known.upstreams.put_slice(("shop", service), name, backends.parse_slice(obj) if there else None)


def contents(resources: snapshot.Snapshot) -> dict[str, Any]:
    return {
        type_url: {name: resources.get(type_url, name).version for name in resources.names(type_url)}
        for type_url in TYPES
    }


def is_sound(obj: dict[str, Any]) -> bool:
    return "*" not in json.dumps(obj)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_every_way_leads_to_the_same_configuration(steps: list[tuple[dict[str, Any], bool]]) -> None:
    """Any history of changes ends in what a table makes that sees only the last sound state of each object."""
    resources = snapshot.Snapshot()
    known = Table(resources)
    final: dict[tuple[str, str], dict[str, Any]] = {}
    for obj, there in steps:
        feed(known, obj, there=there)
        if not there:
            final.pop(name_of(obj), None)
        elif is_sound(obj):
            final[name_of(obj)] = obj
    fresh = snapshot.Snapshot()
    anew = Table(fresh)
    for obj in reversed(list(final.values())):
        feed(anew, obj)
    assert contents(resources) == contents(fresh)


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_only_what_differs_is_told(steps: list[tuple[dict[str, Any], bool]]) -> None:
    """Who follows the changes ends with the snapshot; the same object twice changes nothing."""
    resources = snapshot.Snapshot()
    seen: dict[tuple[str, str], str | None] = {}

    def follow(type_url: str, name: str) -> None:
        found = resources.get(type_url, name)
        seen[type_url, name] = found.version if found else None

    resources.observe(follow)
    known = Table(resources)
    for obj, there in steps:
        feed(known, obj, there=there)
        before = dict(seen)
        seen.clear()
        feed(known, obj, there=there)
        assert not seen
        seen.update(before)
    followed = {key: version for key, version in seen.items() if version is not None}
    held = {
        (type_url, name): version for type_url, names in contents(resources).items() for name, version in names.items()
    }
    assert held == followed


def test_a_gateway_without_tls_says_so() -> None:
    """Where TLS is switched off, an ingress that asks for it fails by name; one that does not is served."""
    known = table.Table(snapshot.Snapshot(), place=dataclasses.replace(test_golden.PLACE, secure_port=None))
    rule = objects.rule(["a.example.com"], objects.path(objects.split("s")))
    known.put_ingress(objects.ingress("a", rule, tls=[{"secretName": "k"}]))
    found = known.finding(ingress.Key("shop", "a"))
    assert found is not None
    assert (found.reason, "gateway.tls.enabled" in found.message) == ("TLSDisabled", True)
    known.put_ingress(objects.ingress("a", rule))
    assert known.finding(ingress.Key("shop", "a")) is None


def test_a_refused_group_is_tried_by_halves() -> None:
    """Of eight routes refused without a name the one to blame is found and left out, the others are in."""
    resources = snapshot.Snapshot()
    known = table.Table(resources, place=test_golden.PLACE)
    for number in range(8):
        rule = objects.rule([f"h{number}.example.com"], objects.path(objects.split("s")), visibility="ExternalIP")
        known.put_ingress(objects.ingress(f"n{number}", rule))
    bad = {"public/h5.example.com", "internal/h5.example.com"}
    told: dict[str, str] = {}
    for _ in range(30):
        now = contents(resources)[wire.SCOPES]
        changed = {name: version for name, version in now.items() if told.get(name) != version}
        if not changed and told.keys() == now.keys():
            break
        error = "something is wrong" if bad & set(changed) else ""
        told = {name: told.get(name, "") for name in now} | (dict.fromkeys(changed, "") if error else changed)
        known.conclude(delta.Verdict(wire.SCOPES, changed, error))
    assert len(told) == 14
    assert known.finding(ingress.Key("shop", "n5")).reason == "RefusedByProxy"
    assert all(known.finding(ingress.Key("shop", f"n{number}")) is None for number in range(8) if number != 5)


def test_endpoints_say_whether_a_revision_has_an_instance() -> None:
    """Cold without a ready pod of its own, warm with one, and silent where nobody knows; other endpoints stay."""
    resources = snapshot.Snapshot()
    known = Table(resources)
    rule = objects.rule(["x.example.com"], objects.path(objects.split("s")))
    for obj in (objects.service("s"), objects.slice_("s", "10.0.0.1", port=8012), objects.ingress("a", rule)):
        feed(known, obj)

    def temperature() -> Any:
        found = resources.get(wire.ENDPOINTS, "shop/s:80")
        assert found is not None
        (endpoint,) = test_golden.decode(found)["endpoints"][0]["lbEndpoints"]
        return endpoint.get("metadata", {}).get("filterMetadata", {}).get("mayfly", {}).get("cold")

    seen = [temperature()]
    for obj, there in (
        (make_instances(), True),
        (make_instances("10.0.0.3", name="other"), True),
        (make_instances("10.0.0.3", name="other"), False),
        (make_instances(), False),
    ):
        feed(known, obj, there=there)
        seen.append(temperature())
    assert seen == [None, True, False, True, None]
