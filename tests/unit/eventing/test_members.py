"""Which pods of EndpointSlices are ready."""

from __future__ import annotations

import pytest

from mayfly.eventing.delivery import members


def make_endpoint(name, *, kind="Pod", **conditions):
    return {"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": {"kind": kind, "name": name}}


@pytest.mark.parametrize(
    ("slices", "names"),
    [
        ([], ()),
        ([{"endpoints": None}], ()),
        ([{"endpoints": [make_endpoint("b", ready=True), make_endpoint("a", ready=True)]}], ("a", "b")),
        ([{"endpoints": [make_endpoint("a")]}, {"endpoints": [make_endpoint("a"), make_endpoint("c")]}], ("a", "c")),
        ([{"endpoints": [make_endpoint("a", ready=False, serving=True, terminating=True)]}], ()),
        ([{"endpoints": [make_endpoint("n", kind="Node"), {"addresses": ["10.0.0.2"]}]}], ()),
    ],
    ids=["none", "empty", "sorted", "in two slices", "leaving", "no pods"],
)
def test_ready_pods(slices, names):
    """Sorted, each once; whoever leaves is no member any more."""
    assert members.find_ready(slices) == names
