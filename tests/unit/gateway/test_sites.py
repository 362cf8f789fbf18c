"""What the table makes of hosts that Functions name, and what it says to their owners."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly import errors
from mayfly.gateway import delta, snapshot, table
from mayfly.model import exposure
from mayfly.routing import ingress, trust, wire
from tests.unit.routing import objects, test_golden
from tests.unit.routing.test_sites import make_function

HOST = "img.example.com"
SCOPE = f"public/{HOST}"


class World:
    """A table with the ingresses of some Functions."""

    def __init__(self, *functions: dict[str, Any]) -> None:
        self.resources = snapshot.Snapshot()
        self.told: list[ingress.Key] = []
        self.table = table.Table(self.resources, place=test_golden.PLACE, on_finding=self.told.append)
        for obj in functions:
            self.table.put_ingress(obj)

    def finding(self, name: str, namespace: str = "shop") -> tuple[str, str]:
        found = self.table.exposure_finding(ingress.Key(namespace, name))
        return (found.reason, found.message) if found else ("", "")

    def served(self, scope: str = SCOPE) -> wire.Resource | None:
        return self.resources.get(wire.SCOPES, scope)

    def envoy_says(self, error: str, *scopes: str) -> None:
        versions = {name: found.version for name in scopes if (found := self.served(name))}
        self.table.conclude(delta.Verdict(wire.SCOPES, versions, error))


def test_a_host_belongs_to_one_namespace() -> None:
    """The namespace that named it first keeps it; the other is told so, and gets it when the first goes."""
    world = World(make_function("old", hosts=[HOST]), make_function("new", created=2, namespace="evil", hosts=[HOST]))
    assert world.finding("old") == ("", "")
    reason, message = world.finding("new", "evil")
    assert (reason, "'shop'" in message) == ("HostTaken", True)
    before = world.served()
    world.table.drop_ingress(ingress.Key("shop", "old"))
    assert world.finding("new", "evil") == ("", "")
    assert ingress.Key("evil", "new") in world.told
    assert world.served() not in (None, before)


def test_an_ingress_goes_before_a_function() -> None:
    """Nobody can take the host that Knative gave to another."""
    theirs = objects.ingress("theirs", objects.rule([HOST], objects.path(objects.split("theirs"))), namespace="bank")
    world = World(make_function("mine", hosts=[HOST]))
    mine = world.served()
    world.table.put_ingress(theirs)
    assert "bank/theirs" in world.finding("mine")[1]
    assert world.served() not in (None, mine)
    world.table.drop_ingress(ingress.Key("bank", "theirs"))
    assert world.finding("mine") == ("", "")
    assert world.served() == mine


def test_a_path_that_is_taken_is_named() -> None:
    """Who comes later learns which path is whose; the rest of its paths are served."""
    world = World(
        make_function("old", hosts=[HOST], paths=[{"path": "/a"}]),
        make_function("new", created=2, hosts=[HOST], paths=[{"path": "/a"}, {"path": "/b"}]),
    )
    reason, message = world.finding("new")
    assert reason == "PathTaken"
    assert "'/a'" in message
    assert "'old'" in message


def test_a_host_that_envoy_refuses_keeps_what_it_had() -> None:
    """Only the host that is to blame goes back; who was refused with it is tried again alone."""
    world = World(make_function("hello", hosts=[HOST, "b.example.com"]))
    world.envoy_says("", SCOPE, "public/b.example.com")
    good = world.served(), world.served("public/b.example.com")
    world.table.put_ingress(make_function("hello", hosts=[HOST, "b.example.com"], paths=[{"path": "/x"}]))
    world.envoy_says("no good", SCOPE, "public/b.example.com")
    assert world.finding("hello")[0] == "RefusedByProxy"
    tried = [name for name in (SCOPE, "public/b.example.com") if world.served(name) not in good]
    assert len(tried) == 1
    world.envoy_says("still no good", *tried)
    [other] = {SCOPE, "public/b.example.com"} - set(tried)
    assert world.served(other) not in good
    world.envoy_says("", other)
    assert world.served(tried[0]) in good


def test_routes_without_keys_let_nobody_in_and_say_so() -> None:
    """Until the Secret is there the finding names it; with it the routes change."""
    world = World(make_function("hello", auth={"apiKey": {"secret": "keys"}}))
    source = ingress.SecretName("shop", "keys")
    assert world.finding("hello")[0] == "Programming"
    world.table.trust.put(source, None)
    assert world.finding("hello")[0] == "AuthSecretMissing"
    closed = world.served("public/hello.shop.example.com")
    world.table.trust.put(source, {"partner": "0123456789abcdef"})
    assert world.finding("hello") == ("", "")
    assert world.served("public/hello.shop.example.com") != closed
    world.table.trust.put(source, None)
    assert world.served("public/hello.shop.example.com") == closed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "has no entry"),
        ({"a": "short"}, "has 5 characters and needs 16"),
        ({"a": "0123456789abcdef", "b": "0123456789abcdef"}, "have the same API key"),
        ({"a": "correct horse battery staple"}, "has a space"),
        ({"a": "0123456789abcdef\n", "b": "\ufffd" * 16}, "client 'b'"),
        (errors.InvalidRoute("the gateway may not read Secret shop/keys"), "may not read"),
    ],
)
def test_keys_that_cannot_be_used_are_named(content: Any, said: str) -> None:
    """The finding names the Secret and the mistake, never a key."""
    world = World(make_function("hello", auth={"apiKey": {"secret": "keys"}}))
    world.table.trust.put(ingress.SecretName("shop", "keys"), content)
    reason, message = world.finding("hello")
    assert reason == "AuthBroken"
    assert said in message
    assert "0123456789abcdef" not in message


def test_an_issuer_that_does_not_answer_keeps_its_keys(jwks: str) -> None:
    """Keys that were read stay in force; before the first ones nobody is let in."""
    url = "https://issuer.example.com/keys"
    world = World(make_function("hello", auth={"jwt": {"issuer": "i", "jwksUrl": url}}))
    world.table.trust.put(trust.Url(url), errors.InvalidRoute(f"{url} cannot be read"))
    assert world.finding("hello")[0] == "JWKSUnreachable"
    world.table.trust.put(trust.Url(url), jwks)
    assert world.finding("hello") == ("", "")
    served = world.served("public/hello.shop.example.com")
    world.table.trust.put(trust.Url(url), errors.InvalidRoute(f"{url} cannot be read"))
    assert world.finding("hello") == ("", "")
    assert world.served("public/hello.shop.example.com") == served


def test_what_nobody_names_is_forgotten() -> None:
    """A Function that goes takes its sources, hosts and certificates with it."""
    http = {"hosts": [HOST], "tls": {"secret": "img"}, "auth": {"apiKey": {"secret": "keys"}}}
    world = World(make_function("hello", **http))
    world.table.drop_ingress(ingress.Key("shop", "hello"))
    assert not list(world.resources.names(wire.SCOPES))
    assert not world.table.trust.is_wanted(ingress.SecretName("shop", "keys"))
    assert not world.table.keys.is_wanted(ingress.SecretName("shop", "img"))


@pytest.fixture
def jwks() -> str:
    """Give a JWKS with one public key (RFC 7517, appendix A.1)."""
    return (
        '{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",'
        '"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1","alg":"ES256"}]}'
    )


def test_a_plain_function_asks_nothing_of_the_gateway() -> None:
    """Without policies there is no finding and no policy."""
    assert World(make_function("hello")).finding("hello") == ("", "")
    assert exposure.Exposure().is_plain
