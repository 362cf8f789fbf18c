"""What of an object is kept in memory: only what a phase reads. Five thousand Functions fit in a small pod so."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of the whole manifest."""
_METADATA = ("namespace", "name", "uid", "resourceVersion", "deletionTimestamp", "labels")
_POD_STATUS = ("phase", "reason", "message", "conditions", "containerStatuses")


def trim_function(obj: Object) -> Object:
    """Leave away managed fields and kubectl's copy of the manifest, in place."""
    return _trim_metadata(obj)


def trim_service(obj: Object) -> Object:
    """Leave away managed fields and copies, in place; spec and status are compared and judged."""
    return _trim_metadata(obj)


def trim_pod(obj: Object) -> Object:
    """Return identity, labels and what the status says of the containers."""
    status = obj.get("status") or {}
    return {
        "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
        "status": {name: status[name] for name in _POD_STATUS if name in status},
    }


def trim_ingress(obj: Object) -> Object:
    """Return the identity and what the gateway says of the exposure."""
    annotations = (obj.get("status") or {}).get("annotations") or {}
    return {
        "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
        "status": {"annotations": annotations},
    }


def trim_config_map(obj: Object) -> Object:
    """Return the identity alone: sources are read when they are needed."""
    return {"metadata": {name: obj["metadata"][name] for name in ("namespace", "name", "resourceVersion")}}


def _trim_metadata(obj: Object) -> Object:
    metadata = obj["metadata"]
    metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(_LAST_APPLIED, None)
    return obj
