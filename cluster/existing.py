"""A cluster the user has: it gets what Mayfly needs and lacks, nothing of it is replaced."""

from __future__ import annotations

import dataclasses
import os

from cluster import commands, kind, knative, kubectl, layout, progress, steps


def up(places: layout.Layout, *, engine: str | None, report: progress.Reporter) -> layout.Layout:
    """Write `.cluster`, push the images, install Knative Serving unless the cluster has it; return its layout.

    Raises: errors.CommandFailed if the cluster does not answer.
    """
    places = find_places(places)
    places.pki.mkdir(parents=True, exist_ok=True)
    text = commands.output([kubectl.find_program(places), "config", "view", "--flatten", "--minify"])
    places.admin_kubeconfig.touch(mode=0o600)
    places.admin_kubeconfig.write_text(text)
    address = kubectl.read(places, "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}").strip()
    gateway = os.environ.get("GATEWAY_URL") or f"http://{address}:{layout.GATEWAY_NODE_PORT}"
    places = dataclasses.replace(places, gateway=gateway)
    with_knative = not knative.is_installed(places)
    steps.run_all(kind.make_content(places, engine, with_knative=with_knative), report=report)
    return places


def find_places(places: layout.Layout) -> layout.Layout:
    """Return the layout for the user's cluster and registry."""
    return dataclasses.replace(places, state=places.cache / "existing", registry=os.environ["REGISTRY"])
