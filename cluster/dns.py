"""CoreDNS on the node's address: the cluster's names itself, all others by the host's resolver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster import daemons, layout, node, programs

_HEALTH_PORT = 8181
_RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def make_corefile(*, kubeconfig: Path, servers: Sequence[str]) -> str:
    """Return CoreDNS's configuration; short lives, since tests make and drop services all the time. Pure."""
    forward = f"    forward . {' '.join(servers)}\n" if servers else ""
    return (
        ".:53 {\n"
        f"    bind {layout.NODE_ADDRESS}\n"
        "    errors\n"
        f"    ready {layout.NODE_ADDRESS}:{_HEALTH_PORT}\n"
        "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n"
        f"        kubeconfig {kubeconfig}\n"
        "        pods insecure\n"
        "        ttl 5\n"
        "        fallthrough in-addr.arpa ip6.arpa\n"
        "    }\n"
        f"{forward}"
        "    cache 5\n"
        "    loadbalance\n"
        "}\n"
    )


def find_servers() -> list[str]:
    """Return the host's name servers that the node can reach; none if it has only a loopback resolver."""
    for path in _RESOLVER_FILES:
        if path.exists() and (servers := node.find_name_servers(path.read_text())):
            return servers
    return []


def prepare(places: layout.Layout) -> None:
    """Write the files of CoreDNS and the resolv.conf pods with `dnsPolicy: Default` get."""
    places.config.mkdir(parents=True, exist_ok=True)
    text = make_corefile(kubeconfig=places.pki / "coredns.conf", servers=find_servers())
    (places.config / "Corefile").write_text(text)
    (places.config / "resolv.conf").write_text(f"nameserver {layout.NODE_ADDRESS}\n")


def make_daemon(places: layout.Layout) -> daemons.Daemon:
    """Return CoreDNS."""
    return daemons.Daemon(
        name="coredns",
        prepare=lambda: prepare(places),
        argv=lambda: [programs.path(places, "tools", "coredns"), "-conf", places.config / "Corefile"],
        ready=lambda: daemons.answers_http(f"http://{layout.NODE_ADDRESS}:{_HEALTH_PORT}/ready"),
    )
