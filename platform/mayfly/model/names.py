"""Every derived Kubernetes and registry name, in one place."""

from __future__ import annotations

GROUP = "mayfly.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Function"
PLURAL = "functions"

CONTROLLER = "mayfly-controller"
"""Field manager, event source and Lease name of the controller."""
GATEWAY = "mayfly-gateway"
"""Field manager, event source and Lease name of the gateway's control process."""
EVENTING = "mayfly-eventing"
"""Event source, Lease name and Service of the process that takes events and asynchronous calls."""
EVENTS_SERVICE = "mayfly-events"
"""Service at which callers inside the cluster post events: the gateway's internal listener."""
EVENT_KEYS_SECRET = "mayfly-event-keys"  # noqa: S105  (a name, not a secret)
"""Secret of a namespace that names who may send events to it: client -> key."""
INTERNAL_SECRET = "mayfly-internal"  # noqa: S105  (a name, not a secret)
"""Secret that holds the token with which the platform's own processes call each other (key ``token``)."""
INGRESS_CLASS = "mayfly.ingress.networking.knative.dev"
INGRESS_CLASS_ANNOTATION = "networking.knative.dev/ingress-class"
VISIBILITY_LABEL = "networking.knative.dev/visibility"

MAX_FUNCTION_NAME = 52
"""Knative derives ``NAME-00001-deployment`` and pods behind it; a DNS label holds 63 characters and a revision
name with its ``-00001`` suffix must fit beside ``-private``, so a Function's name may have 52."""


def function_repository(prefix: str, namespace: str, name: str) -> str:
    """Return the image repository of a Function below the registry ``prefix`` (``host:port/path``)."""
    return f"{prefix}/{namespace}/{name}"


def source_repository(prefix: str, namespace: str, name: str) -> str:
    """Return the repository that holds a Function's uploaded sources."""
    return f"{prefix}/sources/{namespace}/{name}"


def dependency_repository(prefix: str) -> str:
    """Return the repository of dependency layers, shared by all Functions; its tags are dependency keys."""
    return f"{prefix}/dependencies"
