"""Certificates and kubeconfigs, made by kubeadm; the administrator's rights, granted once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cluster import commands, layout, programs

# Clients that kubeadm makes no kubeconfig for: file name and user.
_CLIENTS = {"kube-proxy.conf": "system:kube-proxy", "coredns.conf": "system:coredns"}


def certificates(places: layout.Layout) -> Path:
    """Return the directory of certificates and keys."""
    return places.pki / "pki"


def make_config(directory: Path) -> str:
    """Return the kubeadm configuration as JSON documents (kubeadm.k8s.io/v1beta4). Pure."""
    api = "kubeadm.k8s.io/v1beta4"
    start = {
        "apiVersion": api,
        "kind": "InitConfiguration",
        "nodeRegistration": {"name": layout.NODE_NAME},
        "localAPIEndpoint": {"advertiseAddress": layout.NODE_ADDRESS, "bindPort": layout.API_PORT},
    }
    cluster = {
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "clusterName": "mayfly",
        "kubernetesVersion": programs.KUBERNETES_VERSION,
        "certificatesDir": str(directory),
        "controlPlaneEndpoint": f"{layout.NODE_ADDRESS}:{layout.API_PORT}",
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {"podSubnet": layout.POD_NETWORK, "serviceSubnet": layout.SERVICE_NETWORK},
    }
    return "\n---\n".join(json.dumps(each) for each in (start, cluster)) + "\n"


def make(places: layout.Layout) -> None:
    """Make everything in a fresh directory and move it into place whole."""
    fresh = places.state / "kubernetes.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    kubeadm = programs.path(places, "kubernetes", "kubeadm")
    log = places.logs / "pki.log"
    config = fresh / "kubeadm.json"
    config.write_text(make_config(fresh / "pki"))
    commands.run([kubeadm, "init", "phase", "certs", "all", "--config", config], log=log)
    commands.run(
        [kubeadm, "init", "phase", "kubeconfig", "all", "--config", config, "--kubeconfig-dir", fresh],
        log=log,
    )
    for name, user in _CLIENTS.items():
        words: list[str | Path] = [kubeadm, "kubeconfig", "user", "--client-name", user, "--config", config]
        commands.run(words, log=log, stdout=fresh / name)
    for name in ("kubelet.conf", "admin.conf"):
        path = fresh / name
        path.write_text(path.read_text().replace(str(fresh), str(places.pki)))
    fresh.rename(places.pki)


def grant(places: layout.Layout) -> None:
    """Bind the administrator's group to cluster-admin, and CoreDNS's user to what it reads."""
    manifest = places.modules.parent / "manifests" / "rights.yaml"
    kubectl = programs.path(places, "kubernetes", "kubectl")
    config = places.pki / "super-admin.conf"
    words: list[str | Path] = [
        kubectl,
        "--kubeconfig",
        config,
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        manifest,
    ]
    commands.run(words, log=places.logs / "rights.log")
