"""Reading a KIngress."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly import errors
from mayfly.routing import fingerprint, ingress, routes
from tests.unit.routing import objects


def make(**path: Any) -> dict[str, Any]:
    return objects.ingress("hello", objects.rule(["a.example.com"], objects.path(objects.split("hello"), **path)))


def make_secure(*tls: dict[str, Any]) -> dict[str, Any]:
    """Return an ingress with two public hosts and a cluster-local one."""
    path = objects.path(objects.split("hello"))
    rules = objects.rule(["a.b", "c.d"], path), objects.rule(["local"], path, visibility="ClusterLocal")
    return objects.ingress("hello", *rules, tls=list(tls))


def test_every_public_host_may_have_a_certificate() -> None:
    """An entry without hosts is for all public ones; the first entry counts; other hosts than the rules' are nobody's.

    Only hosts with a certificate are served over TLS.
    """
    shared, own = ingress.SecretName("shop", "all"), ingress.SecretName("keys", "one")
    first = {"hosts": ["C.d", "x.y"], "secretName": "one", "secretNamespace": "keys"}
    parsed = ingress.parse_ingress(make_secure(first, {"secretName": "all"}))
    assert (("a.b", shared), ("c.d", own)) == parsed.tls
    assert {shared, own} == parsed.secrets
    (rule,) = routes.visible_rules(ingress.parse_ingress(make_secure(first)), "secure")
    assert rule.hosts == ("c.d",)


def test_a_split_of_zero_percent_gets_no_traffic() -> None:
    """Splits without a share are left out; a single split gets everything whatever it says."""
    paths = objects.path(objects.split("blue", percent=0), objects.split("green"))
    parsed = ingress.parse_ingress(objects.ingress("hello", objects.rule(["a.example.com"], paths)))
    assert {"shop/green:80"} == {backend.cluster for backend in parsed.backends}
    paths = objects.path(objects.split("blue", percent=0))
    parsed = ingress.parse_ingress(objects.ingress("hello", objects.rule(["a.example.com"], paths)))
    assert {"shop/blue:80"} == {backend.cluster for backend in parsed.backends}


@pytest.mark.parametrize(
    ("obj", "named"),
    [
        pytest.param(objects.ingress("x", objects.rule(["a b"], objects.path(objects.split("s")))), "'a b'", id="host"),
        pytest.param(
            objects.ingress("x", objects.rule(["a." * 150 + "a"], objects.path(objects.split("s")))), "253", id="long"
        ),
        pytest.param(
            objects.ingress("x", objects.rule(["*.example.com"], objects.path(objects.split("s")))), "wildcard", id="*"
        ),
        pytest.param(objects.ingress("x", objects.rule([], objects.path(objects.split("s")))), "each host", id="none"),
        pytest.param(make(path="images"), "'images'", id="relative path"),
        pytest.param(make(path="/a\nb"), "control", id="path with a line feed"),
        pytest.param(make(appendHeaders={"a b": "c"}), "'a b'", id="header name"),
        pytest.param(make(appendHeaders={"a": "b\r\nc: d"}), "RFC 9110", id="header value"),
        pytest.param(make(appendHeaders={"Host": "b"}), "'Host'", id="host header"),
        pytest.param(make(rewriteHost="http://x"), "'http://x'", id="rewrite"),
        pytest.param(objects.ingress("x", objects.rule(["a.b"], objects.path())), "no traffic", id="no splits"),
        pytest.param(make_secure({"hosts": ["a.b"]}), "secretName", id="no Secret"),
        pytest.param(make_secure({"hosts": ["a.b"], "secretName": "../x"}), "'shop/../x'", id="Secret's name"),
        pytest.param(make_secure({"hosts": ["local"], "secretName": "s"}), "'local'", id="cluster-local tls"),
    ],
)
def test_what_cannot_be_served_is_refused(obj: dict[str, Any], named: str) -> None:
    """The error names the value and the rule, so that Envoy never has to refuse it."""
    with pytest.raises(errors.InvalidRoute, match=named):
        ingress.parse_ingress(obj)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"networking.knative.dev/ingress.class": "a"}, "a", id="dot"),
        pytest.param({"networking.knative.dev/ingress-class": "b"}, "b", id="dash"),
    ],
)
def test_both_spellings_of_the_class_count(annotations: dict[str, str], expected: str | None) -> None:
    """Knative writes the class with a dot and people with a dash."""
    assert expected == ingress.ingress_class({"metadata": {"annotations": annotations}})


def test_the_hash_is_knatives() -> None:
    """The order of fields, omission and escapes are those of Go; the figure was computed with Knative's own code."""
    obj = objects.ingress(
        "hello",
        objects.rule(
            ["a.example.com"],
            {
                "appendHeaders": {"z": "<&>", "a": "é\u2028"},
                "headers": {"t": {"exact": "v"}, "b": {"exact": ""}},
                "path": "/x",
                "rewriteHost": "r.example.com",
                "splits": [
                    {"percent": 0, "servicePort": "http", "serviceNamespace": "shop", "serviceName": "s"},
                    objects.split("hello", h="1"),
                ],
            },
        ),
        tls=[{"secretName": "s", "hosts": ["a.example.com"], "secretNamespace": "shop"}],
    )
    assert fingerprint.ingress_hash(obj) == GO_HASH


GO_HASH = "b03572d7d923c4d5a5b478bb470bcd0ccb82ee6fda1315529e606bab3771f5ed"
