"""Where the gateway is, from a Service, from nodes, from the local cluster's file."""

from __future__ import annotations

import pytest

from mayfly.cli import gateway

NODES = [
    {"status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.5"}]}}
]


def service(kind, port, ingress=()):
    return {"spec": {"type": kind, "ports": [port]}, "status": {"loadBalancer": {"ingress": list(ingress)}}}


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (service("LoadBalancer", {"port": 80}, [{"ip": "192.0.2.7"}]), "http://192.0.2.7"),
        (service("LoadBalancer", {"port": 8080}, [{"hostname": "lb.example"}]), "http://lb.example:8080"),
        (service("LoadBalancer", {"port": 80}, [{"ip": "2001:db8::1"}]), "http://[2001:db8::1]"),
        (service("NodePort", {"port": 80, "nodePort": 31080}), "http://10.0.0.5:31080"),
        (service("LoadBalancer", {"port": 80, "nodePort": 31080}), None),
        (service("ClusterIP", {"port": 80}), None),
    ],
)
def test_the_address_of_a_service(found, url):
    assert gateway.read_address(found, NODES) == url


def test_an_external_address_of_a_node_comes_first():
    outside = [{"status": {"addresses": [{"type": "ExternalIP", "address": "192.0.2.9"}]}}]
    assert gateway.read_address(service("NodePort", {"nodePort": 31080}), NODES + outside) == "http://192.0.2.9:31080"


def test_the_local_clusters_file_counts_for_its_own_kubeconfig_alone(tmp_path):
    """A command for another cluster must not end up at the local one."""
    (tmp_path / ".cluster").mkdir()
    file = tmp_path / ".cluster" / "env"
    file.write_text('export GATEWAY_URL=http://10.0.0.1:31080\nexport KUBECONFIG="/k/config"\necho hi\n')
    below = tmp_path / "functions" / "hello"
    below.mkdir(parents=True)
    assert gateway.read_local(below, "/k/config") == "http://10.0.0.1:31080"
    assert gateway.read_local(below, "/other/config") is None
    assert gateway.read_local(tmp_path.parent, "/k/config") is None
