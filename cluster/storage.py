"""The one volume of the local cluster: a directory of its state, for the file in which Mayfly keeps events.

Nothing here provisions volumes, so it is made by hand and bound to the one claim that may have it
(https://kubernetes.io/docs/concepts/storage/volumes/#local). It goes with the cluster.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cluster import kubectl, layout

CLASS = "mayfly-local"
"""Of volume and claim; an object of that name is not needed to bind one to the other."""
CLAIM = "mayfly-eventing"
"""The chart's claim."""
USER = 65532
"""As which every process of the platform runs."""


def directory(places: layout.Layout) -> Path:
    """Return where the volume's content is."""
    return places.state / "volumes" / "eventing"


def make_volume(places: layout.Layout, *, namespace: str) -> dict[str, object]:
    """Return the PersistentVolume. Pure."""
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [layout.NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": CLAIM},
        "spec": {
            "capacity": {"storage": "8Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "claimRef": {"namespace": namespace, "name": CLAIM},
            "local": {"path": str(directory(places))},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }


def prepare(places: layout.Layout, *, namespace: str) -> None:
    """Make the directory, give it to the platform's user, and tell Kubernetes of it."""
    path = directory(places)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(path, USER, USER)
    manifest = places.state / "volume.json"
    manifest.write_text(json.dumps(make_volume(places, namespace=namespace)) + "\n")
    kubectl.apply(places, manifest)
