"""How Functions divide a host that they name themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.route.v3 import route_components_pb2, scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mayfly.model import exposure
from mayfly.routing import ingress, sites, wire
from tests.unit.routing import objects


def make_function(name: str, *, created: int = 1, namespace: str = "shop", **http: Any) -> dict[str, Any]:
    """Return the ingress of a Function with ``spec.http`` set."""
    rule = objects.rule([f"{name}.{namespace}.example.com"], objects.path(objects.split(name, namespace=namespace)))
    made = objects.ingress(name, rule, namespace=namespace, created=f"2026-01-0{created}T00:00:00Z")
    made["metadata"]["annotations"][exposure.ANNOTATION] = json.dumps({"http": http})
    return made


def make_share(name: str, *paths: dict[str, Any], **fields: Any) -> sites.Share:
    http = {"hosts": ["img.example.com"], **({"paths": list(paths)} if paths else {})}
    return sites.Share(ingress.parse_ingress(make_function(name, **fields, **http)))


def routes_of(resource: wire.Resource) -> list[route_components_pb2.Route]:
    """Return the routes of a scope that are not for probes."""
    made = scoped_route_pb2.ScopedRouteConfiguration()
    assert discovery_pb2.Resource.FromString(resource.encoded).resource.Unpack(made)
    [host] = made.route_configuration.virtual_hosts
    return [
        route for route in host.routes if not any(header.name == "k-network-hash" for header in route.match.headers)
    ]


def describe(route: route_components_pb2.Route) -> tuple[str, str]:
    match = route.match
    kind = match.WhichOneof("path_specifier")
    return f"{kind}:{getattr(match, kind)}", route.route.cluster


def test_the_most_specific_path_comes_first() -> None:
    """Exact before prefix, longer before shorter, with methods before without, whoever asked first."""
    shares = [
        make_share("rest"),
        make_share("thumb", {"path": "/thumb/"}, created=2),
        make_share("one", {"path": "/thumb", "exact": True}, {"path": "/thumb", "methods": ["PUT"]}, created=3),
    ]
    made = sites.make_scopes("img.example.com", shares, secure=False)
    assert set(made) == {"public/img.example.com", "internal/img.example.com"}
    assert [describe(route) for route in routes_of(made["public/img.example.com"])] == [
        ("path:/thumb", "shop/one:80"),
        ("path_separated_prefix:/thumb", "shop/one:80"),
        ("path_separated_prefix:/thumb", "shop/thumb:80"),
        ("prefix:/", "shop/rest:80"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ({"path": "/a"}, {"path": "/a/"}, True),
        ({"path": "/a"}, {"path": "/a", "exact": True}, False),
        ({"path": "/a"}, {"path": "/a", "methods": ["GET"]}, False),
        ({"path": "/a", "methods": ["GET", "HEAD"]}, {"path": "/a", "methods": ["GET"]}, True),
        ({"path": "/a", "methods": ["GET"]}, {"path": "/a", "methods": ["PUT"]}, False),
        ({"path": "/a"}, {"path": "/ab"}, False),
    ],
    ids=["a final slash", "exact", "a method", "one common method", "other methods", "another path"],
)
def test_two_functions_collide_where_a_request_could_mean_both(first: Any, second: Any, collide: bool) -> None:
    """The older Function gets the path; what is more specific is no conflict."""
    found = sites.find_conflicts([make_share("old", first), make_share("new", second, created=2)])
    expected = [(ingress.Key("shop", "new"), ingress.Key("shop", "old"), second["path"])] if collide else []
    assert expected == [(conflict.loser, conflict.winner, conflict.path.path) for conflict in found]


@pytest.mark.parametrize(
    ("path", "target", "pattern", "substitution"),
    [
        ({"path": "/thumb"}, "/", "^/thumb/*", "/"),
        ({"path": "/thumb/"}, "/v2/", "^/thumb", "/v2"),
        ({"path": "/"}, "/v2", "^/*", "/v2/"),
        ({"path": "/old", "exact": True}, "/new", "^.*$", "/new"),
        ({"path": "/a.b"}, "/c\\1", r"^/a\.b", "/c\\\\1"),
    ],
)
def test_a_rewrite_leaves_no_double_slash(path: Any, target: str, pattern: str, substitution: str) -> None:
    """What the path matched is replaced; the rest and the query stay."""
    made = sites.make_rewrite(exposure.Path(**path), target)
    assert (pattern, substitution) == (made.pattern.regex, made.substitution)


@pytest.mark.parametrize(
    ("path", "target", "pattern", "substitution"),
    [
        ({"path": "/thumb"}, "/", "^(/async)?/thumb/*", "/async/"),
        ({"path": "/thumb"}, "/async/v2", "^(/async)?/thumb", "/async/async/v2"),
        ({"path": "/"}, "/v2", "^(/async/+|/*)", "/async/v2/"),
        ({"path": "/old", "exact": True}, "/new", "^.*$", "/async/new"),
    ],
)
def test_a_rewritten_call_for_later_begins_with_async(path: Any, target: str, pattern: str, substitution: str) -> None:
    """Whichever way it was made: the eventing process takes that off, and so only once."""
    made = sites.make_rewrite(exposure.Path(**path), target, call=True)
    assert (pattern, substitution) == (made.pattern.regex, made.substitution)


def test_methods_let_preflights_pass_where_cors_is_set() -> None:
    """A browser asks by OPTIONS whether PUT is allowed."""
    path = {"path": "/", "methods": ["PUT"]}
    http = {"hosts": ["img.example.com"], "paths": [path], "cors": {"origins": ["https://shop.example"]}}
    share = sites.Share(ingress.parse_ingress(make_function("hello", **http)))
    made = sites.make_scopes("img.example.com", [share], secure=False)["public/img.example.com"]
    [route] = routes_of(made)
    [method] = [header for header in route.match.headers if header.name == ":method"]
    assert method.string_match.safe_regex.regex == "OPTIONS|PUT"


def test_tls_redirects_plain_http_only() -> None:
    """With a certificate the public listener redirects, and the secure one serves."""
    http = {"hosts": ["img.example.com"], "tls": {"secret": "img"}}
    share = sites.Share(ingress.parse_ingress(make_function("hello", **http)))
    made = sites.make_scopes("img.example.com", [share], secure=True)
    redirects = {name: routes_of(scope)[0].redirect.https_redirect for name, scope in made.items()}
    assert redirects == {
        "public/img.example.com": True,
        "secure/img.example.com": False,
        "internal/img.example.com": False,
    }
