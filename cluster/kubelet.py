"""The node agents: kubelet and kube-proxy."""

from __future__ import annotations

import json

from cluster import containerd, daemons, errors, kubectl, layout, pki, programs


def make_kubelet_config(places: layout.Layout) -> dict[str, object]:
    """Return the kubelet's configuration (kubelet.config.k8s.io/v1beta1). Pure."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificates(places) / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "address": layout.NODE_ADDRESS,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.CGROUP}",
        "clusterDNS": [layout.NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{containerd.socket(places)}",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%"},
        "evictionPressureTransitionPeriod": "10s",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "nodeStatusUpdateFrequency": "5s",
        "oomScoreAdj": 0,
        "podLogsDir": "/var/log/pods",
        "registryPullQPS": 0,
        "resolvConf": str(places.config / "resolv.conf"),
        "serializeImagePulls": False,
        "maxParallelImagePulls": 6,
        "volumePluginDir": str(places.state / "kubelet" / "volume-plugins"),
    }


def make_kubelet(places: layout.Layout) -> daemons.Daemon:
    """Return the kubelet."""
    config = places.config / "kubelet.json"
    return daemons.Daemon(
        name="kubelet",
        prepare=lambda: _write(places, "kubelet.json", make_kubelet_config(places)),
        argv=lambda: [
            programs.path(places, "kubernetes", "kubelet"),
            f"--config={config}",
            f"--kubeconfig={places.pki / 'kubelet.conf'}",
            f"--root-dir={places.state / 'kubelet'}",
            f"--cert-dir={places.state / 'kubelet-pki'}",
            f"--hostname-override={layout.NODE_NAME}",
            f"--node-ip={layout.NODE_ADDRESS}",
        ],
        ready=lambda: is_node_ready(places),
    )


def make_proxy_config(places: layout.Layout) -> dict[str, object]:
    """Return kube-proxy's configuration; the connection table's limits belong to the host, so leave them. Pure."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": layout.NODE_ADDRESS,
        "clientConnection": {"kubeconfig": str(places.pki / "kube-proxy.conf")},
        "clusterCIDR": layout.POD_NETWORK,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "healthzBindAddress": f"{layout.NODE_ADDRESS}:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": layout.NODE_NAME,
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "oomScoreAdj": 0,
    }


def make_proxy(places: layout.Layout) -> daemons.Daemon:
    """Return kube-proxy."""
    return daemons.Daemon(
        name="kube-proxy",
        prepare=lambda: _write(places, "kube-proxy.json", make_proxy_config(places)),
        argv=lambda: [
            programs.path(places, "kubernetes", "kube-proxy"),
            f"--config={places.config / 'kube-proxy.json'}",
        ],
        ready=lambda: daemons.answers_http(f"http://{layout.NODE_ADDRESS}:10256/healthz"),
    )


def is_node_ready(places: layout.Layout) -> bool:
    """Report whether the API knows the node as Ready."""
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    try:
        return kubectl.read(places, "get", "node", layout.NODE_NAME, "-o", path).strip() == "True"
    except errors.CommandFailed:
        return False


def _write(places: layout.Layout, name: str, config: dict[str, object]) -> None:
    places.config.mkdir(parents=True, exist_ok=True)
    (places.config / name).write_text(json.dumps(config, indent=2))
