"""Where the API server keeps each kind."""

from __future__ import annotations

import pytest

from mayfly.cluster import kinds


@pytest.mark.parametrize(
    ("kind", "where", "path"),
    [
        pytest.param(kinds.POD, {}, "/api/v1/pods", id="core-all-namespaces"),
        pytest.param(
            kinds.POD,
            {"namespace": "a", "name": "p", "subresource": "log"},
            "/api/v1/namespaces/a/pods/p/log",
            id="subresource",
        ),
        pytest.param(kinds.NAMESPACE, {"namespace": "a", "name": "b"}, "/api/v1/namespaces/b", id="cluster-scoped"),
        pytest.param(
            kinds.FUNCTION, {"namespace": "a"}, "/apis/mayfly.dev/v1alpha1/namespaces/a/functions", id="group"
        ),
        pytest.param(
            kinds.POD, {"namespace": "a", "name": "../x?y"}, "/api/v1/namespaces/a/pods/..%2Fx%3Fy", id="hostile-name"
        ),
    ],
)
def test_paths(kind, where, path):
    """A path names the collection, object or subresource, and no name can escape its segment."""
    assert kind.path(**where) == path


def test_every_kind_is_found_by_its_objects():
    """An object's apiVersion and kind lead back to its Kind, and no two Kinds answer to the same pair."""
    for kind in kinds.ALL:
        assert kinds.of({"apiVersion": kind.api_version, "kind": kind.kind}) is kind


def test_unknown_kind_is_named():
    """An object that Mayfly does not write is refused by name."""
    with pytest.raises(LookupError, match=r"apps/v9.*Gizmo"):
        kinds.of({"apiVersion": "apps/v9", "kind": "Gizmo"})
