"""What is kept of an object."""

from __future__ import annotations

from mayfly.cluster import watch
from mayfly.controller import metrics, sources, trim
from mayfly.model import status


def test_a_function_keeps_its_spec_and_loses_the_copies():
    """Managed fields and kubectl's copy of the manifest are half of an object."""
    kept = trim.trim_function(
        {
            "metadata": {
                "name": "a",
                "managedFields": [{}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mayfly.dev/paused": "true"},
            },
            "spec": {"source": {}},
        }
    )
    assert kept == {"metadata": {"name": "a", "annotations": {"mayfly.dev/paused": "true"}}, "spec": {"source": {}}}


def test_a_pod_keeps_its_state():
    """Not its spec."""
    kept = trim.trim_pod(
        {
            "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}, "annotations": {"x": "y"}},
            "spec": {"containers": []},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": []},
        }
    )
    assert kept == {
        "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}},
        "status": {"phase": "Running", "conditions": []},
    }


def test_a_config_map_keeps_its_version_alone():
    """Its data is read when it is built."""
    kept = trim.trim_config_map(
        {"metadata": {"name": "c", "namespace": "n", "resourceVersion": "1", "uid": "u"}, "data": {"a": "b"}}
    )
    assert watch.key_of(kept) == watch.Key("n", "c")
    assert "data" not in kept


def test_functions_are_found_by_their_config_map():
    """Other sources are in no index."""
    metadata = {"namespace": "n", "name": "f"}
    named = {"metadata": metadata, "spec": {"source": {"configMap": {"name": "code"}}}}
    inline = {"metadata": metadata, "spec": {"source": {"inline": {}}}}
    assert list(sources.index_config_map(named)) == ["n/code"]
    assert list(sources.index_namespace(named)) == ["n"]
    assert list(sources.index_config_map(inline)) == list(sources.index_namespace(inline)) == []


def test_conditions_are_counted():
    """One that was never set counts as Unknown, so that the numbers add up."""
    counted = metrics.count_conditions(
        [{}, {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Built", "status": "True"}]}}]
    )
    assert counted["Ready", "True"] == 1
    assert counted["Ready", "Unknown"] == 1
    assert sum(counted.values()) == 2 * len(status.ConditionType)
