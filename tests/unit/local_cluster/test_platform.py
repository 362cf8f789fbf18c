"""How Mayfly is installed on the cluster."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from cluster import layout, platform, storage

LOCAL = layout.Layout(clone=Path("/clone"), state=layout.STATE_DIRECTORY, cache=Path("/cache"))
KIND = dataclasses.replace(LOCAL, state=Path("/cache/kind"))
SCHEMA = Path(__file__).parents[3] / "charts" / "mayfly" / "values.schema.json"
IMAGE = f"r:5000/mayfly/platform@sha256:{'0' * 64}"


def make(places=LOCAL):
    return platform.make_values(places, IMAGE, key="k", node_port=31080)


@pytest.mark.parametrize("places", [LOCAL, KIND], ids=["local", "kind"])
def test_the_chart_takes_the_values(places):
    """A misspelt one would only fail on a cluster."""
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(make(places))


def test_the_volume_is_for_the_charts_claim_alone():
    """Class, size, mode and name fit, and it lies below the state that `down` removes."""
    volume = storage.make_volume(LOCAL, namespace=platform.NAMESPACE)["spec"]
    assert volume["storageClassName"] == make()["events"]["sqlite"]["storageClass"]
    assert volume["claimRef"] == {"namespace": "mayfly-system", "name": "mayfly-eventing"}
    assert volume["local"]["path"].startswith(f"{LOCAL.state}/")
    assert volume["accessModes"] == ["ReadWriteOnce"]


def test_elsewhere_the_default_class_provides():
    """kind has one, and so has every cluster that is somebody's."""
    assert make(KIND)["events"]["sqlite"] == {"storageClass": ""}


def test_another_value_is_another_installation():
    """`up` finds by this key whether what runs is what it would install."""

    def key(places, node_port):
        values = platform.make_values(places, "", key="", node_port=node_port)
        return platform.hash_files(Path(__file__).parent, (), extra=json.dumps(values))

    assert len({key(LOCAL, 31080), key(LOCAL, None), key(KIND, 31080)}) == 3
