"""Knative Serving from its own Go module: images built by ko once, manifests applied in order."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cluster import commands, errors, ko, kubectl, layout, programs, steps

INGRESS_CLASS = "mayfly.ingress.networking.knative.dev"
DOMAIN = "mayfly.localhost"
NAMESPACE = "knative-serving"
DEPLOYMENTS = ("activator", "autoscaler", "controller", "webhook")
_SET = "knative"

# What this cluster sets apart from Knative's defaults.
SETTINGS = {
    "config-network": {"ingress-class": INGRESS_CLASS},
    "config-domain": {DOMAIN: ""},
}


def directory(places: layout.Layout) -> Path:
    """Return where the built images and the resolved manifests are, made or not."""
    return ko.directory(places, _SET)


def build(places: layout.Layout) -> None:
    """Build the images and keep them."""
    core = programs.find_module(places, _SET, "knative.dev/serving") / "config" / "core"
    ko.build(places, _SET, manifests=[core], change=shrink_requests)


def shrink_requests(manifests: str) -> str:
    r"""Return the manifests with small processor requests: a two-core machine must have room for functions. Pure.

    >>> shrink_requests("requests:\n    cpu: 300m\n    memory: 60Mi")
    'requests:\n    cpu: 20m\n    memory: 60Mi'
    """
    return re.sub(r"(requests:\s+(?:#.*\s+)*cpu: )\d+m", r"\g<1>20m", manifests)


def apply_types(places: layout.Layout) -> None:
    """Apply the namespace, the custom resources and the settings, and wait until the API serves them."""
    serving = programs.find_module(places, _SET, "knative.dev/serving") / "config" / "core"
    networking = programs.find_module(places, _SET, "knative.dev/networking") / "config"
    caching = programs.find_module(places, _SET, "knative.dev/caching") / "config"
    kubectl.apply(places, serving / "100-namespace.yaml")
    kubectl.apply(places, serving / "300-resources", networking, caching, serving / "configmaps")
    for name, data in SETTINGS.items():
        patch = json.dumps({"data": data})
        kubectl.run(places, "patch", "configmap", name, "-n", NAMESPACE, "--type=merge", "-p", patch)
    kubectl.run(places, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def apply_core(places: layout.Layout) -> None:
    """Apply everything else; again and again, since the API server learns new types a moment late."""
    kubectl.apply(places, directory(places) / ko.MANIFESTS, attempts=5)


def is_installed(places: layout.Layout) -> bool:
    """Report whether the cluster knows Knative Services at all, whoever installed them."""
    return commands.succeeds([*kubectl.words(places), "get", "crd", "services.serving.knative.dev"])


def is_available(places: layout.Layout) -> bool:
    """Report whether all of Knative's deployments are Available in their newest form."""
    try:
        text = kubectl.read(places, "get", "deployments", "-n", NAMESPACE, "-o", "json")
    except errors.CommandFailed:
        return False
    return find_unavailable(text) == []


def find_unavailable(deployments: str) -> list[str]:
    """Return the names of DEPLOYMENTS that are not Available in this JSON list. Pure."""
    good = set()
    for item in json.loads(deployments)["items"]:
        status = item.get("status", {})
        fresh = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        if fresh and conditions.get("Available") == "True":
            good.add(item["metadata"]["name"])
    return [name for name in DEPLOYMENTS if name not in good]


def wait_available(places: layout.Layout) -> None:
    """Wait until is_available; raise errors.ClusterError with the pods' state if it never is."""

    def describe() -> str:
        return kubectl.read(places, "get", "pods", "-n", NAMESPACE, "-o", "wide")

    steps.wait_until(lambda: is_available(places), seconds=180, what="Knative Available", hint=describe)
