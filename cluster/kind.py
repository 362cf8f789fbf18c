"""The cluster by kind, where a container engine works: one node, a registry beside it, the gateway's port on the host.

The registry is reached by its address on the engine's network, the same from host, node and pods; that needs Linux.
Sources: https://kind.sigs.k8s.io/docs/user/configuration/ and .../local-registry/.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from cluster import commands, engine_image, errors, layout, local, programs, progress, serving, small_images, steps

NAME = "mayfly"
NODE = f"{NAME}-control-plane"
REGISTRY = "mayfly-registry"
_NETWORK = "kind"
_REGISTRY_IMAGE = "registry:2"


def make_config() -> str:
    """Return kind's configuration as JSON, which is YAML too. Pure."""
    node = {
        "role": "control-plane",
        "extraPortMappings": [
            {
                "containerPort": layout.GATEWAY_NODE_PORT,
                "hostPort": layout.GATEWAY_NODE_PORT,
                "listenAddress": "127.0.0.1",
            }
        ],
    }
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "containerdConfigPatches": [
            '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
        ],
        "nodes": [node],
    }
    return json.dumps(config, indent=2)


def up(places: layout.Layout, *, engine: str, report: progress.Reporter) -> layout.Layout:
    """Bring the kind cluster up, or find that it is; return its layout."""
    places = dataclasses.replace(
        places,
        state=places.cache / "kind",
        gateway=f"http://127.0.0.1:{layout.GATEWAY_NODE_PORT}",
    )
    steps.run_all(_make_cluster(places, engine), report=report)
    places = dataclasses.replace(places, registry=f"{_find_address(engine)}:{layout.REGISTRY_PORT}")
    _trust_registry(places, engine)
    steps.run_all(make_content(places, engine), report=report)
    return places


def down(places: layout.Layout, *, engine: str) -> None:
    """Delete the cluster and the registry; what the registry holds stays in its volume."""
    places = dataclasses.replace(places, state=places.cache / "kind")
    if programs.is_built(places, "kind"):
        commands.run([*_kind(places), "delete", "cluster", "--name", NAME], log=_log(places), env=_env(engine))
    commands.run([engine, "rm", "--force", REGISTRY], log=_log(places))


def exists(engine: str) -> bool:
    """Report whether the engine has our node, running or not."""
    return commands.succeeds([engine, "inspect", "--type=container", NODE])


def make_content(places: layout.Layout, engine: str | None, *, with_knative: bool = True) -> list[steps.Step]:
    """Return the steps that bring images, and Knative if asked to, into a cluster that answers already."""
    return [
        local.build_step(places, "tools", after=()),
        local.make_step(places, "static", small_images.find_static, small_images.make_static, after=()),
        local.push_step(places, "static", small_images.find_static, after=()),
        engine_image.step(places, engine),
        *(serving.make_steps(places, ready=("push static",)) if with_knative else ()),
        steps.Step("write .cluster", run=lambda: local.write_output(places), done=lambda: False),
    ]


def _make_cluster(places: layout.Layout, engine: str) -> list[steps.Step]:
    """Have kind built, the node created and the registry running on the node's network."""

    def create() -> None:
        config = places.state / "kind.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(make_config())
        shutil.rmtree(places.stamps, ignore_errors=True)
        if exists(engine):  # a node that no longer runs cannot be trusted to come back
            commands.run([*_kind(places), "delete", "cluster", "--name", NAME], log=_log(places), env=_env(engine))
        commands.run(
            [*_kind(places), "create", "cluster", "--config", config, "--kubeconfig", _own_kubeconfig(places)],
            log=_log(places),
            env=_env(engine),
        )

    def run_registry() -> None:
        commands.succeeds([engine, "rm", "--force", REGISTRY])
        volume = f"{REGISTRY}:/var/lib/registry"
        words = [engine, "run", "--detach", "--name", REGISTRY, "--network", _NETWORK, "--volume", volume]
        commands.run([*words, "--env", "REGISTRY_STORAGE_DELETE_ENABLED=true", _REGISTRY_IMAGE], log=_log(places))

    return [
        local.build_step(places, "kind", after=()),
        steps.Step(
            "create the kind cluster", run=create, done=lambda: _runs(engine, NODE) and _own_kubeconfig(places).exists()
        ),
        steps.Step("start the registry", run=run_registry, done=lambda: _runs(engine, REGISTRY)),
    ]


def _trust_registry(places: layout.Layout, engine: str) -> None:
    """Tell the node's containerd to speak plain HTTP to the registry."""
    where = f"/etc/containerd/certs.d/{places.registry}"
    script = f"mkdir -p {where} && echo 'server = \"http://{places.registry}\"' > {where}/hosts.toml"
    commands.run([engine, "exec", NODE, "sh", "-c", script], log=_log(places))


def _find_address(engine: str) -> str:
    """Return the registry's address on the engine's network."""
    template = '{{(index .NetworkSettings.Networks "' + _NETWORK + '").IPAddress}}'
    address = commands.output([engine, "inspect", "--format", template, REGISTRY]).strip()
    if not address:
        raise errors.ClusterError(
            f"The container {REGISTRY} has no address on the network {_NETWORK}; run `down`, `up`."
        )
    return address


def _runs(engine: str, name: str) -> bool:
    try:
        words = [engine, "inspect", "--type=container", "--format", "{{.State.Running}}", name]
        return commands.output(words).strip() == "true"
    except errors.CommandFailed:
        return False


def _own_kubeconfig(places: layout.Layout) -> Path:
    places.pki.mkdir(parents=True, exist_ok=True)
    return places.admin_kubeconfig


def _kind(places: layout.Layout) -> list[str | Path]:
    return [programs.path(places, "kind", "kind")]


def _env(engine: str) -> dict[str, str]:
    return {"KIND_EXPERIMENTAL_PROVIDER": engine}


def _log(places: layout.Layout) -> Path:
    return places.logs / "kind.log"
