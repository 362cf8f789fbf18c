"""Show what runs: one line per daemon, then the node and Knative."""

from __future__ import annotations

from cluster import daemons, errors, knative, kubectl, kubelet, layout, processes, teardown

DAEMONS = (
    "node",
    "registry",
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
    "kube-proxy",
    "kubelet",
)


def make_table(rows: list[tuple[str, str, str]]) -> str:
    """Return the rows as aligned columns under a head. Pure."""
    head = ("PART", "STATE", "DETAIL")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(2)]
    return "\n".join(
        f"{part:<{widths[0]}}  {state:<{widths[1]}}  {detail}".rstrip() for part, state, detail in [head, *rows]
    )


def read(places: layout.Layout) -> list[tuple[str, str, str]]:
    """Return (part, state, detail) for everything the local cluster consists of."""
    rows = [_read_daemon(places, name) for name in DAEMONS]
    if not daemons.is_alive(places, "kube-apiserver"):
        leftovers = teardown.find_leftovers(places)
        detail = "; ".join(leftovers[:3]) if leftovers else "run `python3 -m cluster up`"
        return [*rows, ("cluster", "down", detail)]
    ready = kubelet.is_node_ready(places)
    rows.append(("Kubernetes node", "ready" if ready else "not ready", layout.NODE_ADDRESS))
    try:
        unavailable = knative.find_unavailable(
            kubectl.read(places, "get", "deployments", "-n", knative.NAMESPACE, "-o", "json")
        )
    except errors.CommandFailed as error:
        unavailable = [str(error).splitlines()[-1]]
    rows.append(("Knative Serving", "not ready" if unavailable else "ready", ", ".join(unavailable)))
    return rows


def is_healthy(rows: list[tuple[str, str, str]]) -> bool:
    """Report whether every part is well. Pure."""
    return all(state in ("running", "ready") for _, state, _ in rows)


def _read_daemon(places: layout.Layout, name: str) -> tuple[str, str, str]:
    identity = processes.find(places.processes / f"{name}.json")
    if identity is None:
        return (name, "not running", "")
    return (name, "running", f"pid {identity.pid}")
