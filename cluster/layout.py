"""Where the local cluster lives: directories and addresses."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

NODE_NAME = "mayfly"
HOST_ADDRESS = "10.77.0.1"
NODE_ADDRESS = "10.77.0.2"
LINK_BITS = 30
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
KUBERNETES_SERVICE_ADDRESS = "10.96.0.1"
API_PORT = 6443
REGISTRY_PORT = 5000
GATEWAY_NODE_PORT = 31080
HOST_LINK = "mayfly0"
CGROUP = "mayfly"

STATE_DIRECTORY = Path("/var/lib/mayfly-cluster")


@dataclasses.dataclass(frozen=True)
class Layout:
    """The three places, and how to reach what runs.

    clone: the working copy. state: this boot's cluster, gone after `down`. cache: kept.
    registry: its `host:port`, the same from the host, the node and every pod; plain HTTP.
    gateway: the URL at which Mayfly's gateway will answer; it routes by the Host header.
    """

    clone: Path
    state: Path
    cache: Path
    registry: str = f"{NODE_ADDRESS}:{REGISTRY_PORT}"
    gateway: str = f"http://{NODE_ADDRESS}:{GATEWAY_NODE_PORT}"

    @property
    def is_local(self) -> bool:
        """Whether the node is made here, so that nobody but us provides for volumes."""
        return self.state == STATE_DIRECTORY

    @property
    def output(self) -> Path:
        """What the clone gets: kubeconfig, env and links to the command line programs."""
        return self.clone / ".cluster"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig in the clone."""
        return self.output / "kubeconfig"

    @property
    def modules(self) -> Path:
        """The wrapper Go modules that pin every upstream program."""
        return Path(__file__).parent / "go"

    @property
    def logs(self) -> Path:
        """One log per daemon and per sub-command."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One record per started daemon."""
        return self.state / "processes"

    @property
    def stamps(self) -> Path:
        """One empty file per finished step that nothing else can prove."""
        return self.state / "stamps"

    @property
    def config(self) -> Path:
        """The configuration files written for the daemons."""
        return self.state / "config"

    @property
    def pki(self) -> Path:
        """Certificates and kubeconfigs made by kubeadm."""
        return self.state / "kubernetes"

    @property
    def admin_kubeconfig(self) -> Path:
        """The kubeconfig all steps use; its user is bound to cluster-admin."""
        return self.pki / "admin.conf"


def find_layout() -> Layout:
    """Return the layout of this clone on this machine (XDG base directory specification for the cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Layout(
        clone=Path(__file__).resolve().parent.parent,
        state=STATE_DIRECTORY,
        cache=Path(base) / "mayfly",
    )
