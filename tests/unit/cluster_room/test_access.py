"""Where the API server is and who asks, from files as kubectl reads them."""

from __future__ import annotations

import base64
import json
import ssl
import stat

import pytest
import trustme
import yaml

from mayfly import errors
from mayfly.cluster import access, kubeconfig


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def encode(content):
    return base64.b64encode(content).decode()


def write(path, *, user, cluster=None, name="dev", current="dev", namespace="shop"):
    document = {
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "clusters": [{"name": name, "cluster": cluster or {"server": "https://api.example:6443/"}}],
        "users": [{"name": name, "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def test_token(tmp_path):
    """A token user proves itself by a Bearer header; host and namespace come from the context."""
    path = write(tmp_path / "config", user={"token": "s3cret"})
    found = await access.load(kubeconfig=path, context=None)
    assert (found.host, found.namespace) == ("https://api.example:6443", "shop")
    assert await found.authorization() == "Bearer s3cret"
    assert not found.proof.renewable


async def test_password(tmp_path):
    """A user with a password proves itself by a Basic header."""
    found = await access.load(kubeconfig=write(tmp_path / "c", user={"username": "u", "password": "p"}), context=None)
    assert await found.authorization() == "Basic " + base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize("inline", [True, False], ids=["data", "files"])
async def test_client_certificate(tmp_path, authority, inline):
    """A certificate is the proof, given as data or as files beside the kubeconfig; nothing is left on disk."""
    leaf = authority.issue_cert("someone@example.org")
    chain, key = leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    (tmp_path / "pki").mkdir()
    for name, content in {"crt": chain, "key": key, "ca": authority.cert_pem.bytes()}.items():
        (tmp_path / "pki" / name).write_bytes(content)
    if inline:
        user = {"client-certificate-data": encode(chain), "client-key-data": encode(key)}
        cluster = {"certificate-authority-data": encode(authority.cert_pem.bytes())}
    else:
        user = {"client-certificate": "pki/crt", "client-key": "pki/key"}
        cluster = {"certificate-authority": "pki/ca"}
    path = write(tmp_path / "config", user=user, cluster={"server": "https://api.example", **cluster})
    found = await access.load(kubeconfig=path, context=None)
    assert await found.authorization() is None
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(found.tls.get_ca_certs()) == 1


async def test_first_file_wins_and_paths_are_relative_to_their_file(tmp_path, monkeypatch):
    """Of several files in $KUBECONFIG the first that sets a value counts (kubectl's rule); missing ones are passed."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tok").write_text("from-file\n")
    one = write(tmp_path / "sub" / "one", user={"tokenFile": "tok"}, name="one", current="one")
    two = write(tmp_path / "two", user={"token": "two"}, name="two", current="two")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{one}:{two}")
    assert await (await access.load(kubeconfig=None, context=None)).authorization() == "Bearer from-file"
    assert await (await access.load(kubeconfig=None, context="two")).authorization() == "Bearer two"
    with pytest.raises(errors.Unauthorized, match="no context 'three'; it has: one, two"):
        await access.load(kubeconfig=None, context="three")


async def test_token_file_is_read_again(tmp_path):
    """A token that the kubelet renewed is picked up when the server refuses the old one, and after a minute."""
    (tmp_path / "token").write_text("old")
    proof = access.TokenFile(tmp_path / "token")
    assert await proof.header(fresh=False) == "Bearer old"
    (tmp_path / "token").write_text("new")
    assert await proof.header(fresh=False) == "Bearer old"
    assert await proof.header(fresh=True) == "Bearer new"


async def test_service_account(tmp_path, authority):
    """A pod finds the API server by its environment and its mounted files, IPv6 included."""
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "namespace").write_text("mayfly-system")
    (tmp_path / "token").write_text("pod")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = access.from_service_account(tmp_path, environ)
    assert (found.host, found.namespace) == ("https://[fd00::1]:443", "mayfly-system")
    assert await found.authorization() == "Bearer pod"
    assert not found.trust_env


def write_plugin(tmp_path, script):
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\n{script}\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the official client's own
async def test_exec_plugin(tmp_path):
    """A credential plugin is run once, and again only when its answer is refused or has expired."""
    status = {"token": "plugged", "expirationTimestamp": "2999-01-01T00:00:00Z"}
    answer = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
    user = write_plugin(tmp_path, f"echo '{answer}'")
    found = await access.load(kubeconfig=write(tmp_path / "config", user=user), context=None)
    assert await found.authorization() == "Bearer plugged"
    assert await found.authorization() == "Bearer plugged"
    assert (tmp_path / "runs").read_text().count("run") == 1
    await found.authorization(fresh=True)
    assert (tmp_path / "runs").read_text().count("run") == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_exec_plugin_that_fails_is_named(tmp_path):
    """A plugin that gives nothing ends in an error that names it, not in an anonymous request."""
    with pytest.raises(errors.Unauthorized, match=r"plugin.*gave no credentials"):
        await access.load(kubeconfig=write(tmp_path / "c", user=write_plugin(tmp_path, "exit 3")), context=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "cannot be read", id="broken-yaml"),
        pytest.param("[]", "must be a mapping", id="not-a-mapping"),
        pytest.param("{}", "no current-context", id="no-context"),
        pytest.param(
            "{current-context: a, contexts: [{name: a, context: {cluster: b}}]}", "no cluster 'b'", id="no-cluster"
        ),
        pytest.param(
            "{current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {}}]}",
            "names no server",
            id="no-server",
        ),
    ],
)
async def test_what_is_wrong_is_named(tmp_path, content, message):
    """A kubeconfig that cannot be used says why."""
    (tmp_path / "config").write_text(content)
    with pytest.raises(errors.Unauthorized, match=message):
        await access.load(kubeconfig=tmp_path / "config", context=None)


async def test_no_credentials_at_all(tmp_path, monkeypatch):
    """Without any credentials the error says what was looked for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.Unauthorized, match="pass --kubeconfig"):
        await access.load(kubeconfig=None, context=None)
    with pytest.raises(errors.Unauthorized, match="cannot be read"):
        await access.load(kubeconfig=tmp_path / "missing", context=None)


def test_find_names_explicit_file_even_if_missing(tmp_path):
    """A file that was asked for is not passed over in silence."""
    assert kubeconfig.find(tmp_path / "x", {}) == [tmp_path / "x"]
