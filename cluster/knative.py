"""Knative Serving from its own Go module: images built by ko once, manifests applied in order."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path

from cluster import commands, errors, images, kubectl, layout, oci, programs, small_images, steps

INGRESS_CLASS = "mayfly.ingress.networking.knative.dev"
DOMAIN = "mayfly.localhost"
NAMESPACE = "knative-serving"
DEPLOYMENTS = ("activator", "autoscaler", "controller", "webhook")
_PROGRAMS = (*DEPLOYMENTS, "queue")
_REPOSITORY = "knative"

# What this cluster sets apart from Knative's defaults.
SETTINGS = {
    "config-network": {"ingress-class": INGRESS_CLASS},
    "config-domain": {DOMAIN: ""},
}


def directory(places: layout.Layout) -> Path:
    """Return where the built images and the resolved manifests are, made or not."""
    base = small_images.find_static(places).directory.name
    words = [programs.read_key(places, "knative"), base, places.registry]
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
    return places.cache / "images" / f"knative-{key}"


def build(places: layout.Layout) -> None:
    """Build the images with ko into the local registry and keep them, and the manifests that name their digests."""
    final = directory(places)
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".knative-", dir=final.parent))
    serving = programs.find_module(places, "knative", "knative.dev/serving")
    try:
        flags = ("--base-import-paths", "--sbom=none", "--platform=linux/amd64", "--insecure-registry", "--jobs=2")
        words: list[str | Path] = [programs.path(places, "tools", "ko"), "resolve", *flags]
        commands.run(
            [*words, "-R", "-f", serving / "config" / "core"],
            log=places.logs / "build-knative.log",
            cwd=places.modules / "knative",
            stdout=work / "resolved.yaml",
            env={
                **programs.environment(),
                "KO_DOCKER_REPO": f"{places.registry}/{_REPOSITORY}",
                "KO_DEFAULTBASEIMAGE": images.reference(places, small_images.find_static(places)),
                "SOURCE_DATE_EPOCH": "0",
            },
        )
        text = (work / "resolved.yaml").read_text()
        (work / "core.yaml").write_text(shrink_requests(text))
        crane = programs.path(places, "tools", "crane")
        for name, reference in find_images(text, registry=places.registry).items():
            pull: list[str | Path] = [crane, "pull", "--insecure", "--format=oci", reference, work / name]
            commands.run(pull, log=places.logs / "images.log")
        work.chmod(0o755)
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def find_images(manifests: str, *, registry: str) -> dict[str, str]:
    """Return the images of the resolved manifests: program -> reference with digest. Pure."""
    pattern = rf"{re.escape(registry)}/{_REPOSITORY}/([a-z-]+)@sha256:[0-9a-f]{{64}}"
    return {match[1]: match[0] for match in re.finditer(pattern, manifests)}


def shrink_requests(manifests: str) -> str:
    r"""Return the manifests with small processor requests: a two-core machine must have room for functions. Pure.

    >>> shrink_requests("requests:\n    cpu: 300m\n    memory: 60Mi")
    'requests:\n    cpu: 20m\n    memory: 60Mi'
    """
    return re.sub(r"(requests:\s+cpu: )\d+m", r"\g<1>20m", manifests)


def are_images_pushed(places: layout.Layout) -> bool:
    """Report whether the registry holds every image the resolved manifests name."""
    where = directory(places)
    return where.is_dir() and all(
        images.find_digest(places, f"{_REPOSITORY}/{name}", oci.read_digest(where / name)) for name in _PROGRAMS
    )


def push_images(places: layout.Layout) -> None:
    """Push the kept images."""
    for name in _PROGRAMS:
        images.push(places, images.Kept(directory(places) / name, repository=f"{_REPOSITORY}/{name}"))


def apply_types(places: layout.Layout) -> None:
    """Apply the namespace, the custom resources and the settings, and wait until the API serves them."""
    serving = programs.find_module(places, "knative", "knative.dev/serving") / "config" / "core"
    networking = programs.find_module(places, "knative", "knative.dev/networking") / "config"
    caching = programs.find_module(places, "knative", "knative.dev/caching") / "config"
    kubectl.apply(places, serving / "100-namespace.yaml")
    kubectl.apply(places, serving / "300-resources", networking, caching, serving / "configmaps")
    for name, data in SETTINGS.items():
        patch = json.dumps({"data": data})
        kubectl.run(places, "patch", "configmap", name, "-n", NAMESPACE, "--type=merge", "-p", patch)
    kubectl.run(places, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def apply_core(places: layout.Layout) -> None:
    """Apply everything else; again and again, since the API server learns new types a moment late."""
    kubectl.apply(places, directory(places) / "core.yaml", attempts=5)


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
