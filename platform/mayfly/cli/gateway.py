"""Where the gateway is, as seen from here."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable
from typing import Any

from mayfly import errors
from mayfly.cli import session
from mayfly.cluster import kinds

VARIABLE = "GATEWAY_URL"
SERVICE = "mayfly-gateway"
LOCAL = pathlib.Path(".cluster", "env")
"""What ``make up`` writes into a clone of Mayfly."""
NODE = kinds.Kind("", "v1", "nodes", "Node", namespaced=False)
_EXPORT = re.compile(r"export (\w+)=[\"']?(.*?)[\"']?\s*")
_PREFERRED = ("ExternalIP", "InternalIP", "Hostname")


async def find_gateway(current: session.Session, *, kubeconfig: pathlib.Path | None) -> str:
    """Return the gateway's base URL: ``$GATEWAY_URL``, else the local cluster's, else that of its Service.

    Raises:
        errors.Unreachable: none of them says an address that is reachable from outside the cluster.
    """
    if given := os.environ.get(VARIABLE):
        return given.rstrip("/")
    used = str(kubeconfig or os.environ.get("KUBECONFIG", ""))
    if local := read_local(pathlib.Path.cwd(), used):
        return local
    namespace = session.SYSTEM_NAMESPACE
    try:
        service = await current.cluster.get(kinds.SERVICE, namespace, SERVICE)
        needs_node = service["spec"].get("type") == "NodePort"
        nodes = await current.cluster.list(NODE) if needs_node else []
    except (errors.NotFound, errors.Forbidden) as error:
        raise errors.Unreachable(f"the gateway's address is not known: {error}; set {VARIABLE}=http://HOST") from error
    if found := read_address(service, nodes):
        return found
    raise errors.Unreachable(
        f"Service {namespace}/{SERVICE} of type {service['spec'].get('type')} has no address outside the cluster;"
        f" set {VARIABLE}=http://HOST, for example after kubectl -n {namespace} port-forward service/{SERVICE} 8080:80"
    )


def read_local(folder: pathlib.Path, kubeconfig: str) -> str | None:
    """Return the URL in the nearest ``.cluster/env`` upwards, if that file speaks of the kubeconfig in use."""
    for candidate in (folder, *folder.parents):
        file = candidate / LOCAL
        if file.is_file():
            matches = (_EXPORT.fullmatch(line) for line in file.read_text(encoding="utf-8").splitlines())
            exported = {match[1]: match[2] for match in matches if match}
            return exported.get(VARIABLE) if exported.get("KUBECONFIG") == kubeconfig else None
    return None


def read_address(service: dict[str, Any], nodes: Iterable[dict[str, Any]]) -> str | None:
    """Return the URL a LoadBalancer or NodePort Service has from outside; ``None`` if it has none. Pure."""
    port: dict[str, Any] = next(iter(service["spec"].get("ports") or []), {})
    balancers = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    for balancer in balancers:
        if host := balancer.get("hostname") or balancer.get("ip"):
            return _make_url(host, port.get("port", 80))
    if service["spec"].get("type") == "NodePort" and port.get("nodePort"):
        addresses = [address for node in nodes for address in (node.get("status") or {}).get("addresses") or []]
        for kind in _PREFERRED:
            for address in addresses:
                if address["type"] == kind:
                    return _make_url(address["address"], port["nodePort"])
    return None


def _make_url(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}" if port == 80 else f"http://{shown}:{port}"  # noqa: PLR2004
