"""containerd, with its state, its sockets and its address leases inside the cluster's own directory."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import commands, daemons, images, layout, packages, small_images


def socket(places: layout.Layout) -> Path:
    """Return the socket's path, the same on the host and in the node."""
    return places.state / "containerd" / "containerd.sock"


def make_config(*, state: Path, snapshotter: str, sandbox_image: str) -> str:
    """Return containerd's configuration (version 2). Pure.

    restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox could start otherwise.
    """
    return f"""\
version = 2
root = "{state}/containerd/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{state}/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = 6
  stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{packages.CNI_PLUGINS}"
  conf_dir = "{state}/config/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{state}/config/registries"
"""


def make_network(*, state: Path) -> str:
    """Return the pod network: one routed link per pod, so no bridge filtering is needed (CNI spec 0.4.0). Pure."""
    network = {
        "cniVersion": "0.4.0",
        "name": "mayfly",
        "plugins": [
            {
                "type": "ptp",
                "mtu": 1400,
                "ipam": {
                    "type": "host-local",
                    "dataDir": f"{state}/leases",
                    "ranges": [[{"subnet": layout.POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    return json.dumps(network, indent=2)


def make_hosts(registry: str) -> str:
    """Return the hosts.toml that has containerd speak plain HTTP to the registry. Pure.

    containerd 1.6 refuses a file without a host table.
    """
    return f'server = "http://{registry}"\n[host."http://{registry}"]\n  capabilities = ["pull", "resolve"]\n'


def prepare(places: layout.Layout) -> None:
    """Write containerd's files."""
    registry = places.registry
    hosts = places.config / "registries" / registry
    for directory in (places.config / "cni", hosts, socket(places).parent):
        directory.mkdir(parents=True, exist_ok=True)
    (places.config / "cni" / "10-mayfly.conflist").write_text(make_network(state=places.state))
    (hosts / "hosts.toml").write_text(make_hosts(registry))
    text = make_config(
        state=places.state,
        snapshotter=_choose_snapshotter(places),
        sandbox_image=images.reference(places, small_images.find_pause(places)),
    )
    (places.config / "containerd.toml").write_text(text)


def make_daemon(places: layout.Layout) -> daemons.Daemon:
    """Return containerd."""
    return daemons.Daemon(
        name="containerd",
        prepare=lambda: prepare(places),
        argv=lambda: ["containerd", "--config", places.config / "containerd.toml", "--log-level", "warn"],
        ready=lambda: daemons.accepts(socket(places)),
    )


def _choose_snapshotter(places: layout.Layout) -> str:
    """Return overlayfs where the state's file system can carry one, else native, which copies."""
    where = places.state / "overlay-probe"
    for part in ("lower", "upper", "work", "merged"):
        (where / part).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={where}/lower,upperdir={where}/upper,workdir={where}/work"
    trial = ["unshare", "--mount", "mount", "-t", "overlay", "probe", "-o", options, f"{where}/merged"]
    return "overlayfs" if commands.succeeds(trial) else "native"
