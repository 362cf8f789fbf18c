"""Kourier beside Mayfly's gateway, for comparison: a Knative Service asks for it by an annotation.

`networking.knative.dev/ingress-class: kourier.ingress.networking.knative.dev`
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

from cluster import base_image, commands, errors, images, ko, kubectl, layout, programs, progress, steps

INGRESS_CLASS = "kourier.ingress.networking.knative.dev"
NAMESPACE = "kourier-system"
_SET = "kourier"
_ENVOY = images.Kept(Path(), repository="kourier/envoy")


def install(places: layout.Layout, *, report: progress.Reporter) -> str:
    """Install Kourier into the running local cluster and return its URL, reachable from this machine."""
    steps.run_all(make_steps(places), report=report)
    path = "jsonpath={.spec.clusterIP}"
    return f"http://{kubectl.read(places, 'get', 'service', 'kourier', '-n', NAMESPACE, '-o', path).strip()}"


def remove(places: layout.Layout, *, report: progress.Reporter) -> None:
    """Take Kourier off the cluster again; what was built stays in the cache."""
    manifests = ko.directory(places, _SET) / ko.MANIFESTS
    delete = steps.Step(
        "remove Kourier",
        run=lambda: kubectl.run(places, "delete", "--ignore-not-found", "--wait=false", "-f", str(manifests)),
        done=lambda: not manifests.exists(),
    )
    steps.run_all([delete], report=report)


def make_steps(places: layout.Layout) -> list[steps.Step]:
    """Return the steps; the cluster is up."""
    module = "knative.dev/net-kourier"
    return [
        steps.Step(
            "build Kourier",
            run=lambda: ko.build(
                places,
                _SET,
                manifests=[programs.find_module(places, _SET, module) / "config"],
                change=lambda text: use_envoy(text, image=images.reference(places, _ENVOY)),
            ),
            done=lambda: ko.directory(places, _SET).is_dir(),
        ),
        steps.Step(
            "push Kourier",
            run=lambda: ko.push(places, _SET),
            done=lambda: ko.are_pushed(places, _SET),
        ),
        steps.Step(
            "push Envoy",
            run=lambda: push_envoy(places),
            done=lambda: images.find_digest(places, _ENVOY.repository, _ENVOY.tag) is not None,
        ),
        steps.Step(
            "apply Kourier",
            run=lambda: kubectl.apply(places, ko.directory(places, _SET) / ko.MANIFESTS),
            done=lambda: False,
        ),
        steps.Step("wait for Kourier", run=lambda: _wait(places), done=lambda: False),
    ]


def use_envoy(manifests: str, *, image: str) -> str:
    """Return the manifests with our image of Envoy, and a service that needs no load balancer. Pure."""
    text = re.sub(r"image: docker\.io/envoyproxy/envoy:\S+", f"image: {image}", manifests)
    return text.replace("type: LoadBalancer", "type: NodePort")


def push_envoy(places: layout.Layout) -> None:
    """Push an image of the Envoy binary that the clone's Python environment has, on the base image."""
    found = sorted(places.clone.glob(".venv/lib/python3*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise errors.ClusterError("Kourier needs an Envoy binary and .venv has none: run `make venv` first.")
    work = places.state / "envoy"
    work.mkdir(exist_ok=True)
    with tarfile.open(work / "layer.tar", "w") as archive:
        entry = archive.gettarinfo(found[0], "usr/local/bin/envoy")
        entry.mode, entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime = 0o755, 0, 0, "", "", 0
        with found[0].open("rb") as binary:
            archive.addfile(entry, binary)
    base = images.reference(places, base_image.find(places))
    crane: list[str | Path] = [programs.path(places, "tools", "crane"), "append", "--insecure", "--base", base]
    target = images.reference(places, _ENVOY)
    commands.run([*crane, "-f", work / "layer.tar", "-t", target], log=places.logs / "images.log")
    shutil.rmtree(work)


def _wait(places: layout.Layout) -> None:
    for namespace, name in (("knative-serving", "net-kourier-controller"), (NAMESPACE, "3scale-kourier-gateway")):
        flags = ("--for=condition=Available", "--timeout=120s", "-n", namespace)
        kubectl.run(places, "wait", f"deployment/{name}", *flags)
