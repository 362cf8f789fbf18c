"""The control plane: etcd, API server, controller manager and scheduler, as kubeadm would run them."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path

from cluster import daemons, layout, pki, programs

_ETCD_CLIENTS = "http://127.0.0.1:2379"
_ETCD_PEERS = "http://127.0.0.1:2380"


def make_etcd(places: layout.Layout) -> daemons.Daemon:
    """Return etcd, on the node's loopback; it does not wait for the disk: the cluster dies with the machine."""
    return daemons.Daemon(
        name="etcd",
        argv=lambda: [
            programs.path(places, "etcd", "etcd"),
            "--name=mayfly",
            f"--data-dir={places.state / 'etcd'}",
            f"--listen-client-urls={_ETCD_CLIENTS}",
            f"--advertise-client-urls={_ETCD_CLIENTS}",
            f"--listen-peer-urls={_ETCD_PEERS}",
            f"--initial-advertise-peer-urls={_ETCD_PEERS}",
            f"--initial-cluster=mayfly={_ETCD_PEERS}",
            f"--listen-metrics-urls=http://{layout.NODE_ADDRESS}:2381",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        ready=lambda: daemons.answers_http(f"http://{layout.NODE_ADDRESS}:2381/readyz"),
    )


def make_api_server(places: layout.Layout) -> daemons.Daemon:
    """Return the API server."""
    certificates = pki.certificates(places)
    return daemons.Daemon(
        name="kube-apiserver",
        argv=lambda: [
            programs.path(places, "kubernetes", "kube-apiserver"),
            f"--advertise-address={layout.NODE_ADDRESS}",
            f"--secure-port={layout.API_PORT}",
            f"--etcd-servers={_ETCD_CLIENTS}",
            f"--service-cluster-ip-range={layout.SERVICE_NETWORK}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={certificates / 'ca.crt'}",
            f"--tls-cert-file={certificates / 'apiserver.crt'}",
            f"--tls-private-key-file={certificates / 'apiserver.key'}",
            f"--kubelet-client-certificate={certificates / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={certificates / 'apiserver-kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={certificates / 'sa.pub'}",
            f"--service-account-signing-key-file={certificates / 'sa.key'}",
            f"--requestheader-client-ca-file={certificates / 'front-proxy-ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={certificates / 'front-proxy-client.crt'}",
            f"--proxy-client-key-file={certificates / 'front-proxy-client.key'}",
        ],
        ready=lambda: is_api_ready(places),
    )


def make_controller_manager(places: layout.Layout) -> daemons.Daemon:
    """Return the controller manager; it alone runs, so it asks for no lease."""
    certificates = pki.certificates(places)
    config = places.pki / "controller-manager.conf"
    return daemons.Daemon(
        name="kube-controller-manager",
        argv=lambda: [
            programs.path(places, "kubernetes", "kube-controller-manager"),
            *_client_flags(config),
            f"--cluster-cidr={layout.POD_NETWORK}",
            f"--service-cluster-ip-range={layout.SERVICE_NETWORK}",
            "--allocate-node-cidrs=true",
            "--controllers=*",
            "--use-service-account-credentials=true",
            f"--root-ca-file={certificates / 'ca.crt'}",
            f"--client-ca-file={certificates / 'ca.crt'}",
            f"--requestheader-client-ca-file={certificates / 'front-proxy-ca.crt'}",
            f"--cluster-signing-cert-file={certificates / 'ca.crt'}",
            f"--cluster-signing-key-file={certificates / 'ca.key'}",
            f"--service-account-private-key-file={certificates / 'sa.key'}",
        ],
    )


def make_scheduler(places: layout.Layout) -> daemons.Daemon:
    """Return the scheduler."""
    return daemons.Daemon(
        name="kube-scheduler",
        argv=lambda: [
            programs.path(places, "kubernetes", "kube-scheduler"),
            *_client_flags(places.pki / "scheduler.conf"),
        ],
    )


def is_api_ready(places: layout.Layout) -> bool:
    """Report whether the API server says it is ready; that question needs no credentials."""
    try:
        context = ssl.create_default_context(cafile=str(pki.certificates(places) / "ca.crt"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"https://{layout.NODE_ADDRESS}:{layout.API_PORT}/readyz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _client_flags(config: Path) -> list[str | Path]:
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]
