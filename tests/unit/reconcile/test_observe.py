"""What is read of a Function."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.model import labels, status
from mayfly.reconcile import observe


def make(*, spec=None, told=None, **metadata):
    manifest = {
        "metadata": {"namespace": "shop", "name": "hello", "uid": "u", "resourceVersion": "7", **metadata},
        "spec": spec or {"source": {"inline": {"a.py": ""}}},
    }
    return observe.Observation(manifest | ({"status": told} if told else {}))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"source": {"inline": {"a.py": ""}}, "runtime": "cobol"}, "spec.runtime"),
        ({"source": {"inline": {"a.py": ""}}, "scaling": {"min": -1}}, "spec.scaling.min"),
        ({"timeout": "30s"}, "spec.source"),
    ],
)
def test_a_spec_older_than_a_rule_is_refused_by_name(spec, said):
    """The field is named; what was written is not repeated, it might be a secret."""
    with pytest.raises(errors.SpecError, match=said):
        make(spec=spec).parse_spec()


@pytest.mark.parametrize(
    ("metadata", "rests"),
    [
        ({}, False),
        ({"annotations": {labels.PAUSED: "true"}}, True),
        ({"annotations": {labels.PAUSED: "false"}}, False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, True),
    ],
    ids=["usual", "paused", "not-paused", "leaving"],
)
def test_at_rest(metadata, rests):
    """Paused or on its way out."""
    assert make(**metadata).at_rest is rests


def test_an_unreadable_status_counts_as_none():
    """It is going to be written anew."""
    assert make(told={"conditions": "none"}).before == status.FunctionStatus()


def test_pods_of_a_revision():
    """Those on their way out do not count."""
    of_one = {"metadata": {"name": "a", "labels": {observe.REVISION_LABEL: "hello-00001"}}}
    leaving = {"metadata": {**of_one["metadata"], "name": "b", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    of_two = {"metadata": {"name": "c", "labels": {observe.REVISION_LABEL: "hello-00002"}}}
    seen = observe.Observation(make().manifest, pods=(of_one, leaving, of_two))
    assert seen.pods_of("hello-00001") == (of_one,)
