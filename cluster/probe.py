"""Choose which cluster to use, by looking at what really works here."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster import commands, errors

# What `up` writes, in this clone or another one.
_OWN = (".cluster", "kubeconfig")
KINDS = ("existing", "kind", "local")
# Small, multi-platform, and only pulled when an engine answers.
_TRIAL_IMAGE = "registry.k8s.io/pause:3.10"


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of KINDS and, in words for the user, why."""

    kind: str
    why: str


def choose(environment: Mapping[str, str] = os.environ) -> Choice:
    """Return the cluster to use: one named by the user, kind where it works, else local.

    Raises: errors.ClusterError for an unknown MAYFLY_CLUSTER or a KUBECONFIG without REGISTRY.
    """
    if named := choose_named(environment):
        return named
    engine = find_engine()
    if engine is None:
        return Choice("local", "no container engine answers here")
    problem = try_engine(engine)
    if problem:
        return Choice("local", f"{engine} answers, but {problem}")
    return Choice("kind", f"{engine} works and can pull images")


def choose_named(environment: Mapping[str, str]) -> Choice | None:
    """Return what the environment names, or None if it leaves the choice open. Pure.

    Raises: errors.ClusterError for an unknown MAYFLY_CLUSTER or a KUBECONFIG without REGISTRY.
    """
    forced = environment.get("MAYFLY_CLUSTER", "")
    if forced and forced not in KINDS:
        raise errors.ClusterError(f"MAYFLY_CLUSTER={forced!r} is none of {', '.join(KINDS)}; set one of them or none.")
    kubeconfig = environment.get("KUBECONFIG", "")
    foreign = bool(kubeconfig) and Path(kubeconfig).parts[-2:] != _OWN
    if forced in ("kind", "local"):
        return Choice(forced, f"MAYFLY_CLUSTER={forced}")
    if forced == "existing" and not foreign:
        raise errors.ClusterError("MAYFLY_CLUSTER=existing needs KUBECONFIG set to that cluster's file.")
    if not foreign:
        return None
    if not environment.get("REGISTRY"):
        raise errors.ClusterError(
            f"KUBECONFIG={kubeconfig} names a cluster of yours, and REGISTRY is not set. Images need a registry that "
            "both you and that cluster reach: set REGISTRY=host:port, or unset KUBECONFIG to get a cluster made here."
        )
    return Choice("existing", f"KUBECONFIG={kubeconfig}")


def find_engine() -> str | None:
    """Return the container engine whose daemon answers within seconds: `docker` or `podman`."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and commands.succeeds([engine, "ps", "--quiet"], timeout_seconds=10):
            return engine
    return None


def need_engine() -> str:
    """Return the engine that answers; raise errors.ClusterError if none does."""
    engine = find_engine()
    if engine is None:
        raise errors.ClusterError(
            "kind needs a container engine and neither docker nor podman answers: start one, set MAYFLY_CLUSTER=local."
        )
    return engine


def try_engine(engine: str) -> str | None:
    """Pull a tiny image and start it privileged, as kind would; return what went wrong in words, or None."""
    if not commands.succeeds([engine, "image", "inspect", _TRIAL_IMAGE]) and not commands.succeeds(
        [engine, "pull", "--quiet", _TRIAL_IMAGE], timeout_seconds=60
    ):
        return "it cannot pull images"
    name = f"mayfly-probe-{os.getpid()}"
    started = commands.succeeds(
        [engine, "run", "--detach", "--privileged", "--name", name, _TRIAL_IMAGE], timeout_seconds=30
    )
    commands.succeeds([engine, "rm", "--force", "--volumes", name], timeout_seconds=30)
    return None if started else "it cannot start privileged containers"
