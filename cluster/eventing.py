"""Knative Eventing beside Mayfly, whose sources, brokers and bindings deliver to Functions.

Installed are the controller and webhook (sources, SinkBinding), the InMemoryChannel, the broker on channels
(MTChannelBasedBroker) and PingSource's adapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cluster import errors, knative, ko, kubectl, layout, programs, progress, steps

NAMESPACE = "knative-eventing"
LABEL = "app.kubernetes.io/name=knative-eventing"
_SET = "eventing"
_MODULE = "knative.dev/eventing"
_FOLDERS = ("config/core", "config/channels/in-memory-channel", "config/brokers/mt-channel-broker")

# JobSink and RequestReply need programs of their own and nothing here uses them; autoscalers need a metrics server.
LEFT_OUT = frozenset({"job-sink.yaml", "request-reply.yaml", "webhook-hpa.yaml", "hpa.yaml"})


def install(places: layout.Layout, *, report: progress.Reporter) -> None:
    """Install Eventing into the running local cluster, or find that it is, and wait until it serves."""
    steps.run_all(make_steps(places), report=report)


def remove(places: layout.Layout, *, report: progress.Reporter) -> None:
    """Take Eventing off the cluster with everything of its types; what was built stays in the cache."""
    steps.run_all(make_removal(places), report=report)


def make_steps(places: layout.Layout) -> list[steps.Step]:
    """Return the steps; the cluster is up."""
    return [
        steps.Step(
            "build Knative Eventing",
            run=lambda: build(places),
            done=lambda: ko.directory(places, _SET).is_dir(),
        ),
        steps.Step(
            "push Knative Eventing",
            run=lambda: ko.push(places, _SET),
            done=lambda: ko.are_pushed(places, _SET),
        ),
        steps.Step("apply Knative Eventing", run=lambda: apply(places), done=lambda: False),
        steps.Step("wait for Knative Eventing", run=lambda: wait(places), done=lambda: False),
    ]


def make_removal(places: layout.Layout) -> list[steps.Step]:
    """Return the steps back. Webhooks go first: one without its server would refuse what comes after.

    The types go while the controllers still run, since these let go of the objects that have finalizers.
    """

    def delete(*words: str | Path) -> None:
        kubectl.run(places, "delete", "--ignore-not-found", "--timeout=120s", *words)

    def is_gone() -> bool:
        return not _applied(places).exists()

    def delete_programs() -> None:
        # Pods of Eventing drain for up to a minute, and a grace that has begun is not shortened.
        delete("deployment,replicaset", "--all", "--cascade=orphan", "-n", NAMESPACE)
        delete("pod", "--all", "--now", "-n", NAMESPACE)

    def delete_rest() -> None:
        delete("-f", _applied(places), "--wait=false")  # it would wait for one object after another
        kubectl.run(places, "wait", f"namespace/{NAMESPACE}", "--for=delete", "--timeout=120s")
        _applied(places).unlink()

    hooks = "mutatingwebhookconfiguration,validatingwebhookconfiguration"
    return [
        steps.Step("remove Eventing's webhooks", run=lambda: delete(hooks, "-l", LABEL), done=is_gone),
        steps.Step("remove Eventing's types", run=lambda: delete("crd", "-l", LABEL), done=is_gone),
        steps.Step("remove Eventing's programs", run=delete_programs, done=is_gone),
        steps.Step("remove Knative Eventing", run=delete_rest, done=is_gone),
    ]


def build(places: layout.Layout) -> None:
    """Build the images and keep them with the manifests, which name their digests."""
    module = programs.find_module(places, _SET, _MODULE)
    ko.build(places, _SET, manifests=choose_manifests(path for each in _FOLDERS for path in (module / each).rglob("*")))


def choose_manifests(paths: Iterable[Path]) -> list[Path]:
    """Return the manifests among the files of upstream that are applied, Deployments last. Pure.

    Upstream's order by number puts programs before the types they watch.
    """
    chosen = [path for path in paths if path.suffix == ".yaml" and path.name not in LEFT_OUT]
    return sorted(chosen, key=lambda path: (path.parent.name == "deployments", path))


def apply(places: layout.Layout) -> None:
    """Apply all of it, and keep in the state what was applied."""
    text = (ko.directory(places, _SET) / ko.MANIFESTS).read_text()
    _applied(places).write_text(serve_sooner(knative.shrink_requests(text)))
    namespace = programs.find_module(places, _SET, _MODULE) / "config" / "core" / "100-namespace.yaml"
    images = places.modules.parent / "manifests" / "eventing-images.yaml"
    kubectl.apply(places, namespace, images, _applied(places), attempts=3)


def serve_sooner(manifests: str) -> str:
    r"""Return the manifests with readiness asked each second from the start; liveness stays as it is. Pure.

    >>> serve_sooner("readinessProbe:\n  initialDelaySeconds: 20\n  periodSeconds: 10\n")
    'readinessProbe:\n  initialDelaySeconds: 1\n  periodSeconds: 1\n'
    """
    pattern = r"(readinessProbe:(?:(?!livenessProbe:).)*?initialDelaySeconds: )20(\s+periodSeconds: )10"
    return re.sub(pattern, r"\g<1>1\g<2>1", manifests, flags=re.DOTALL)


def wait(places: layout.Layout) -> None:
    """Wait until every deployment is Available and the API server knows how to call the webhooks.

    Raises: errors.ClusterError with the pods' state if that does not come.
    """
    try:
        kubectl.run(places, "wait", "deployment", "--all", *_for("condition=Available"), "-n", NAMESPACE)
        # A ready webhook writes its rules a moment later; until then nothing is defaulted.
        for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
            kubectl.run(places, "wait", kind, "-l", LABEL, *_for("jsonpath={.webhooks[0].clientConfig.caBundle}"))
    except errors.CommandFailed as error:
        pods = kubectl.read(places, "get", "pods", "-n", NAMESPACE, "-o", "wide")
        raise errors.ClusterError(f"{error}\n{pods}") from error


def _for(what: str) -> tuple[str, str]:
    return (f"--for={what}", "--timeout=180s")


def _applied(places: layout.Layout) -> Path:
    return places.state / "eventing.yaml"
