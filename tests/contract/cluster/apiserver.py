"""An API server of the tests' own, when no cluster runs: etcd and kube-apiserver out of the build cache."""

from __future__ import annotations

import contextlib
import os
import pathlib
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import ports

START_SECONDS = 60.0
TOKEN = "test-admin-token"


def find_programs():
    """Return the paths of etcd and kube-apiserver that ``make up`` built, or ``None``."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mayfly" / "programs"
    found = [sorted(cache.glob(f"*/{name}"), key=os.path.getmtime) for name in ("etcd", "kube-apiserver")]
    return (found[0][-1], found[1][-1]) if all(found) else None


@contextlib.contextmanager
def running(folder: pathlib.Path):
    """Give the path of a kubeconfig with every right on a fresh API server; both processes end with it."""
    programs = find_programs()
    if programs is None:
        pytest.fail("no API server: KUBECONFIG is not set, .cluster/env absent and nothing built; run `make up`")
    client_port, peer_port, port = ports.free_ports(3)
    etcd_url, peer_url = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    _write_keys(folder)
    (folder / "tokens.csv").write_text(f"{TOKEN},tester,tester,system:masters\n")
    etcd = [
        *(programs[0], f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync"),
        *(f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}"),
        *(f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}"),
        f"--initial-cluster=default={peer_url}",
    ]
    server = [
        *(programs[1], f"--etcd-servers={etcd_url}", f"--cert-dir={folder}", f"--secure-port={port}"),
        *("--bind-address=127.0.0.1", "--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24"),
        *(f"--service-account-key-file={folder / 'sa.key'}", f"--service-account-signing-key-file={folder / 'sa.key'}"),
        "--disable-admission-plugins=ServiceAccount",
    ]
    with contextlib.ExitStack() as stack:
        for name, command in (("etcd", etcd), ("kube-apiserver", server)):
            stack.enter_context(_process(command, folder / f"{name}.log"))
        kubeconfig = _write_kubeconfig(folder, port)
        _wait_ready(port, folder)
        yield kubeconfig


@contextlib.contextmanager
def _process(command, log):
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _write_keys(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "sa.key").write_bytes(pem)


def _write_kubeconfig(folder, port):
    document = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": "apiserver.crt"},
            }
        ],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def _wait_ready(port, folder):
    deadline = time.monotonic() + START_SECONDS
    tls = ssl._create_unverified_context()
    while True:
        request = urllib.request.Request(
            f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=tls):
                return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                pytest.fail(f"kube-apiserver did not start: {(folder / 'kube-apiserver.log').read_text()[-2000:]}")
            time.sleep(0.1)
