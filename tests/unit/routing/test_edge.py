"""Where a Service of type ExternalName may lead."""

from __future__ import annotations

import pytest

from mayfly.routing import edge

OWN = "mayfly-gateway-internal.mayfly-system.svc.cluster.local"
PLACE = edge.Edge(
    public_port=8080,
    internal_port=8081,
    public_host="mayfly-gateway.mayfly-system.svc.cluster.local",
    internal_host=OWN,
    external_names=("api.example.com", ".partner.example"),
)


@pytest.mark.parametrize(
    ("name", "followed"),
    [
        (OWN, True),
        (f"{OWN.upper()}.", True),
        ("api.example.com", True),
        ("API.example.com.", True),
        ("a.partner.example", True),
        ("a.b.partner.example", True),
        ("partner.example", False),
        ("xpartner.example", False),
        ("x.api.example.com", False),
        ("api.example.com.evil.example", False),
        ("mayfly-gateway.mayfly-system.svc.cluster.local", False),
        ("hello.shop.svc.cluster.local", False),
        ("127-0-0-1.shop.pod.cluster.local", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
def test_names_are_followed_where_the_operator_says(name: str, followed: bool) -> None:
    """The internal listener's own name and what is listed, whole or below a dot; nothing else."""
    assert PLACE.follows(name) == followed


def test_nothing_is_followed_by_default() -> None:
    """Without a list no name but our own leads anywhere."""
    bare = edge.Edge(public_port=8080, internal_port=8081, public_host="a.example", internal_host="b.example")
    assert [name for name in ("a.example", "b.example", "c.example", "") if bare.follows(name)] == ["b.example"]
    assert bare.own_listener("B.example.") == ("127.0.0.1", 8081)
