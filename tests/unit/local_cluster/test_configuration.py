"""The files written for the daemons, and what is read from the machine and the cluster."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from cluster import containerd, dns, kind, knative, kubelet, layout, node, pki, registry, status

PLACES = layout.Layout(clone=Path("/clone"), state=Path("/state"), cache=Path("/cache"))


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.53\n", ["192.0.2.53"]),
        ("# comment\nsearch a.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", ["192.0.2.1", "192.0.2.2"]),
        ("nameserver 127.0.0.53\noptions edns0\n", []),
        ("nameserver ::1\nnameserver 192.0.2.9", ["192.0.2.9"]),
        ("nameserver\n", []),
    ],
    ids=["one", "two", "loopback", "mixed", "torn"],
)
def test_name_servers_of_the_host_are_no_help_inside_the_node(text, servers):
    """A loopback resolver is not reachable from the node's own network."""
    assert node.find_name_servers(text) == servers


def test_core_dns_forwards_only_if_there_is_somewhere():
    """A machine without a usable resolver still resolves the cluster's names."""
    assert "forward . 192.0.2.1\n" in dns.make_corefile(kubeconfig=Path("/k"), servers=["192.0.2.1"])
    assert "forward" not in dns.make_corefile(kubeconfig=Path("/k"), servers=[])


def test_containerd_configuration_is_toml_under_our_directory():
    """It parses, and nothing of it lies outside the state but the node's private /run."""
    text = containerd.make_config(state=Path("/state"), snapshotter="overlayfs", sandbox_image="r:5000/pause:latest")
    config = tomllib.loads(text)
    assert config["root"] == "/state/containerd/root"
    assert config["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == "r:5000/pause:latest"
    assert tomllib.loads(containerd.make_hosts("r:5000"))["host"] == {
        "http://r:5000": {"capabilities": ["pull", "resolve"]}
    }


@pytest.mark.parametrize(
    "config",
    [
        kubelet.make_kubelet_config(PLACES),
        kubelet.make_proxy_config(PLACES),
        json.loads(registry.make_config(Path("/cache/registry"))),
        json.loads(containerd.make_network(state=Path("/state"))),
        json.loads(kind.make_config()),
        *[json.loads(part) for part in pki.make_config(Path("/state/pki")).split("---")],
    ],
    ids=["kubelet", "kube-proxy", "registry", "network", "kind", "kubeadm init", "kubeadm cluster"],
)
def test_configuration_names_no_place_of_this_machine(config):
    """Paths come from the layout, so that tests and a second user get their own."""
    assert "mayfly-cluster" not in json.dumps(config)


def make_deployment(name, *, available="True", generation=1, observed=1):
    """Return one deployment of a Kubernetes list."""
    return {
        "metadata": {"name": name, "generation": generation},
        "status": {"observedGeneration": observed, "conditions": [{"type": "Available", "status": available}]},
    }


def test_knative_is_available_when_every_deployment_is_in_its_newest_form():
    """An old form that is Available does not count, a missing deployment neither."""
    items = [
        make_deployment("activator"),
        make_deployment("autoscaler", available="False"),
        make_deployment("controller", generation=2),
    ]
    assert knative.find_unavailable(json.dumps({"items": items})) == ["autoscaler", "controller", "webhook"]
    good = [make_deployment(name) for name in knative.DEPLOYMENTS]
    assert knative.find_unavailable(json.dumps({"items": good})) == []


def test_the_status_table_is_aligned():
    """Columns start below their heads."""
    table = status.make_table([("etcd", "running", "pid 7"), ("kube-apiserver", "not running", "")])
    assert table.splitlines() == [
        "PART            STATE        DETAIL",
        "etcd            running      pid 7",
        "kube-apiserver  not running",
    ]
