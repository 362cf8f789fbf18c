"""What goes over the wire and comes back."""

from __future__ import annotations

import json

import pytest

from mayfly import errors
from mayfly.cluster import answer, wire


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b'{"type": "ADDED"}', b'{"object": {}}', b"\xff"],
)
def test_a_line_that_is_no_event_means_the_stream_was_cut(line):
    """Half an event is trouble with the connection, to be tried again."""
    with pytest.raises(errors.Unreachable, match="broke off inside an event"):
        wire.parse_change(line)


@pytest.mark.parametrize(
    ("code", "expected"), [(410, answer.Expired), (500, errors.Unreachable), (None, errors.Unreachable)]
)
def test_an_error_event_is_raised(code, expected):
    """An ERROR of a watch becomes the error that the same status would be as an answer."""
    line = json.dumps({"type": "ERROR", "object": {"code": code, "message": "too old resource version"}}).encode()
    with pytest.raises(expected, match="too old resource version"):
        wire.parse_change(line)


def test_status_alone_is_written():
    """What is not identity or status stays out of a status write, so that no field changes owner by it."""
    metadata = {"name": "a", "namespace": "b", "resourceVersion": "7", "labels": {"x": "y"}, "finalizers": ["f"]}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "x"}}
    assert wire.make_status(obj) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b", "resourceVersion": "7"},
        "status": {"phase": "x"},
    }


def test_preconditions_only_when_asked():
    """A deletion is conditional only if it names what it means."""
    assert "preconditions" not in wire.make_delete_options("Background", uid=None, resource_version=None)
    options = wire.make_delete_options("Orphan", uid="u", resource_version=None)
    assert options["preconditions"] == {"uid": "u"}
