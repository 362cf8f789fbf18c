"""The node: one process that holds a network and a mount namespace, its link to the host, and what runs inside.

Nothing names the namespaces but that process. When the last process in them ends, however it ends, the kernel
takes away the link, the routes and every mount made inside; only the address translation is left to undo.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import cgroups, commands, errors, layout, pause, processes, steps

_NAT_TABLE = "mayfly-cluster"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

# Hide from the host what the daemons would leave in fixed places: sockets, container logs, leases of addresses.
_INSIDE = """
set -e
state=$1 pause=$2
shift 2
mount -t tmpfs -o mode=755 node-run /run
for directory; do
  mkdir -p "$state/hidden$directory"
  mount --bind "$state/hidden$directory" "$directory"
done
touch "$state/inside"
exec "$pause"
"""
_HIDDEN = ("/var/log", "/var/lib/cni", "/var/lib/kubelet")


def record(places: layout.Layout) -> Path:
    """Return the record of the node's process."""
    return places.processes / "node.json"


def is_up(places: layout.Layout) -> bool:
    """Report whether the node's process lives and its link has its address."""
    return processes.find(record(places)) is not None and _link_is_up()


def start(places: layout.Layout) -> None:
    """Make the control groups, the namespaces and the link, and let traffic out."""
    _refuse_used_addresses()
    cgroups.make()
    _make_mount_points(places)
    inside = places.state / "inside"
    inside.unlink(missing_ok=True)
    identity = processes.start(
        name="node",
        argv=[
            *("unshare", "--net", "--mount", "--propagation", "slave", "--"),
            *("sh", "-c", _INSIDE, "sh", places.state, pause.program(places), *_HIDDEN),
        ],
        records=places.processes,
        logs=places.logs,
    )
    steps.wait_until(
        lambda: inside.exists() or processes.identify(identity.pid) is None,
        seconds=10,
        what="The node's namespaces",
        hint=lambda: commands.tail(places.logs / "node.log"),
    )
    if processes.identify(identity.pid) is None:
        raise errors.ClusterError(
            f"The node could not start; this needs root and CAP_SYS_ADMIN.\n{commands.tail(places.logs / 'node.log')}"
        )
    _link(places, identity.pid)
    _translate(places)


def enter(places: layout.Layout) -> list[str]:
    """Return the words that, put before a command, run it inside the node.

    Raises: errors.ClusterError if the node is not up.
    """
    identity = processes.find(record(places))
    if identity is None:
        raise errors.ClusterError("The node is not running; run `python3 -m cluster up`.")
    return ["nsenter", f"--target={identity.pid}", "--net", "--mount", "--"]


def remove(places: layout.Layout) -> None:
    """Undo what outlives the node's process: the link if it lingers, the translation, the forwarding."""
    with contextlib.suppress(errors.CommandFailed, OSError):
        commands.output(["ip", "link", "delete", layout.HOST_LINK])
    with contextlib.suppress(errors.CommandFailed, OSError):
        commands.output(["nft", "delete", "table", "ip", _NAT_TABLE])
    before = _read_before(places)
    if before.get("boot") == processes.read_boot():
        _FORWARDING.write_text(before["forwarding"])
    for directory in before.get("made", []):
        with contextlib.suppress(OSError):  # somebody uses it by now
            Path(directory).rmdir()


def remaining() -> list[str]:
    """Return what remove() has not removed."""
    found = []
    if Path("/sys/class/net", layout.HOST_LINK).exists():
        found.append(f"link {layout.HOST_LINK}")
    with contextlib.suppress(OSError):
        if commands.succeeds(["nft", "list", "table", "ip", _NAT_TABLE]):
            found.append(f"nft table {_NAT_TABLE}")
    return found


def find_name_servers(text: str) -> list[str]:
    """Return the name servers of a resolv.conf(5) that the node can reach: not the host's loopback. Pure."""
    words = [line.split() for line in text.splitlines()]
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [each for each in servers if not each.startswith("127.") and each != "::1"]


def _make_mount_points(places: layout.Layout) -> None:
    """Make the directories that are hidden inside, and write down what the machine was like before."""
    made = [each for each in _HIDDEN if not Path(each).exists()]
    before = {"boot": processes.read_boot(), "forwarding": _FORWARDING.read_text().strip(), "made": made}
    path = places.state / "before.json"
    if not path.exists():
        path.write_text(json.dumps(before))
    for directory in made:
        Path(directory).mkdir(parents=True)


def _read_before(places: layout.Layout) -> dict[str, Any]:
    try:
        return dict(json.loads((places.state / "before.json").read_text()))
    except (OSError, ValueError):
        return {}


def _link(places: layout.Layout, pid: int) -> None:
    """Join host and node by a pair of links; pods and services get a route, so the host reaches them too."""
    host, bits = layout.HOST_LINK, layout.LINK_BITS
    inside = f"nsenter --target={pid} --net ip"
    script = f"""
        ip link add {host} type veth peer name eth0 netns {pid}
        ip address add {layout.HOST_ADDRESS}/{bits} dev {host}
        ip link set {host} up
        {inside} link set lo up
        {inside} address add {layout.NODE_ADDRESS}/{bits} dev eth0
        {inside} link set eth0 up
        {inside} route add default via {layout.HOST_ADDRESS}
        ip route add {layout.POD_NETWORK} via {layout.NODE_ADDRESS}
        ip route add {layout.SERVICE_NETWORK} via {layout.NODE_ADDRESS}
        nsenter --target={pid} --net sh -c 'echo 1 > {_FORWARDING}'
    """
    commands.run(["sh", "-euc", script], log=places.logs / "network.log")


def _translate(places: layout.Layout) -> None:
    """Let node and pods out through the host's addresses, by a table of our own."""
    _FORWARDING.write_text("1")
    rules = f"""
        table ip {_NAT_TABLE} {{
          chain postrouting {{
            type nat hook postrouting priority srcnat;
            ip saddr {{ {layout.NODE_ADDRESS}, {layout.POD_NETWORK} }} oifname != "{layout.HOST_LINK}" masquerade
          }}
        }}
    """
    commands.run(["nft", "-f", "-"], log=places.logs / "network.log", stdin=rules.encode())


def _link_is_up() -> bool:
    with contextlib.suppress(errors.CommandFailed, OSError):
        words: Sequence[str] = ("ip", "-json", "route", "show", layout.SERVICE_NETWORK)
        return bool(json.loads(commands.output(words) or "[]"))
    return False


def _refuse_used_addresses() -> None:
    """Raise errors.ClusterError if the machine already routes one of our networks elsewhere."""
    for network in (f"{layout.NODE_ADDRESS}/32", layout.POD_NETWORK, layout.SERVICE_NETWORK):
        words = ["ip", "-json", "route", "show", "root", network]
        for route in json.loads(commands.output(words) or "[]"):
            if route.get("dev") != layout.HOST_LINK:
                raise errors.ClusterError(
                    f"The cluster needs the network {network}, but this machine routes it by {route.get('dev')}: "
                    "take that route away, or give a cluster by KUBECONFIG and REGISTRY."
                )
