"""Mayfly itself on the cluster: image, chart, sample shop, first call.

Each step finds in the cluster whether it is done: what was installed says from which files it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from cluster import commands, errors, kubectl, layout, progress, steps, storage

NAMESPACE = "mayfly-system"
SHOP = "shop"
RELEASE = "mayfly"
EVENTS_HOST = "events.mayfly.localhost"
"""Public host at which events are posted."""
MADE_FROM = "mayfly.dev/made-from"
"""Annotation with the hash of the files that something was made from."""
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_IMAGE_SOURCES = ("platform", "requirements")
_SKIPPED_PARTS = {"__pycache__", ".mypy_cache"}


def make_steps(places: layout.Layout, *, node_port: int | None = layout.GATEWAY_NODE_PORT) -> list[steps.Step]:
    """Return the way from a cluster with Knative to an answered call."""
    image_key = hash_files(places.clone, _IMAGE_SOURCES)
    values = make_values(places, "", key="", node_port=node_port)
    install_key = hash_files(places.clone, (*_IMAGE_SOURCES, "charts"), extra=json.dumps(values))
    shop_key = hash_files(places.clone, ("functions",), extra=install_key)
    return [
        steps.Step(
            "build platform image",
            run=lambda: build_image(places, image_key),
            done=lambda: read_image(places, image_key) is not None,
        ),
        steps.Step(
            "install Mayfly",
            run=lambda: install(places, read_image(places, image_key) or "", install_key, node_port),
            done=lambda: is_installed(places, install_key),
        ),
        steps.Step(
            "deploy the sample shop",
            run=lambda: deploy_shop(places, shop_key),
            done=lambda: is_deployed(places, shop_key),
        ),
    ]


def hash_files(root: Path, names: Iterable[str], *, extra: str = "") -> str:
    """Return a short hash of the names and contents of all files below ``root / name``."""
    total = hashlib.sha256(extra.encode())
    for name in names:
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and not _SKIPPED_PARTS & set(path.parts):
                total.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
                total.update(path.read_bytes())
    return total.hexdigest()[:16]


def build_image(places: layout.Layout, key: str) -> None:
    """Build the platform's image and keep its reference beside the kubeconfig."""
    out = places.output / "image.new"
    argv: list[str | Path] = [
        python(places),
        "-m",
        "mayfly.build.platform_image",
        "--registry",
        f"{places.registry}/mayfly",
        "--insecure",
    ]
    commands.run(argv, log=places.logs / "platform-image.log", cwd=places.clone, stdout=out)
    kept = {"key": key, "registry": places.registry, "image": out.read_text().strip()}
    out.write_text(json.dumps(kept))
    out.rename(_image_file(places))


def read_image(places: layout.Layout, key: str) -> str | None:
    """Return the reference of the image made from these files for this registry, ``None`` if the registry lacks it."""
    try:
        kept = json.loads(_image_file(places).read_text())
    except (OSError, ValueError):
        return None
    if (kept.get("key"), kept.get("registry")) != (key, places.registry):
        return None
    host, _, rest = kept["image"].partition("/")
    name, _, digest = rest.partition("@")
    url = f"http://{host}/v2/{name}/manifests/{digest}"
    accept = "Accept: application/vnd.oci.image.manifest.v1+json"
    present = commands.succeeds(["curl", "--fail", "--silent", "--head", "--header", accept, url])
    return str(kept["image"]) if present else None


def install(places: layout.Layout, image: str, key: str, node_port: int | None) -> None:
    """Install or upgrade the chart and wait until every process is available."""
    _apply_namespace(places)
    if places.is_local:
        storage.prepare(places, namespace=NAMESPACE)
    values = places.state / "values.json"
    values.write_text(json.dumps(make_values(places, image, key=key, node_port=node_port), indent=1))
    _settle_release(places)
    argv: list[str | Path] = [
        *_helm(places), "upgrade", RELEASE, places.clone / "charts" / "mayfly", "--install", "--values", values,
        "--wait", "--take-ownership", "--timeout", "180s",
    ]  # fmt: skip
    try:
        commands.run(argv, log=places.logs / "helm.log")
    except errors.CommandFailed as error:
        pods = kubectl.read(places, "-n", NAMESPACE, "get", "pods", "-o", "wide")
        events = kubectl.read(places, "-n", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp")
        raise errors.ClusterError(f"{error}\n{pods}\n{events[-1500:]}") from error


def _settle_release(places: layout.Layout) -> None:
    """Take back an installation or upgrade that was cut off; helm refuses to go on from there by itself."""
    try:
        status = json.loads(commands.output([*_helm(places), "status", RELEASE, "--output", "json"]))["info"]["status"]
    except errors.CommandFailed:
        return  # nothing is installed
    if status == "pending-install":
        commands.run([*_helm(places), "uninstall", RELEASE, "--wait"], log=places.logs / "helm.log")
    elif status.startswith("pending-"):
        commands.run([*_helm(places), "rollback", RELEASE], log=places.logs / "helm.log")


def _helm(places: layout.Layout) -> list[str | Path]:
    program = places.output / "bin" / "helm"
    return [program, "--kubeconfig", places.admin_kubeconfig, "--namespace", NAMESPACE]


def make_values(places: layout.Layout, image: str, *, key: str, node_port: int | None) -> dict[str, object]:
    """Return the chart's values for this cluster. Pure."""
    repository, _, digest = image.partition("@")
    registry = places.registry
    networks = [layout.POD_NETWORK, layout.SERVICE_NETWORK]
    return {
        "image": {"repository": repository, "digest": digest},
        "registry": {"address": f"{registry}/mayfly", "insecure": True},
        "builder": {
            "baseImages": {"python3.11": f"{registry}/mayfly/base-python:3.11"},
            "caBundle": "ca-bundle",
            # Git servers of tests run as functions too.
            "sourceNetworks": networks,
        },
        "gateway": {
            "service": {"type": "NodePort", "nodePort": node_port},
            # Issuers of tests run as functions.
            "jwksNetworks": networks,
        },
        "events": {
            "hosts": [EVENTS_HOST],
            # So do those to which tests have results and callbacks sent.
            "destinations": {"hosts": [".svc.cluster.local"], "networks": networks},
            "callbacks": True,
            # Elsewhere the cluster's default class provides.
            "sqlite": {"storageClass": storage.CLASS if places.is_local else ""},
        },
        "commonAnnotations": {MADE_FROM: key},
    }


def _apply_namespace(places: layout.Layout) -> None:
    """Make the namespace, which enforces the restricted standard, and this machine's certificates for the builder.

    A package index behind a proxy of the company shows a certificate that only the company's machines know.
    """
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ca-bundle", "namespace": NAMESPACE},
            "data": {CA_BUNDLE.name: CA_BUNDLE.read_text()},
        },
    ]
    manifest = places.state / "namespace.json"
    manifest.write_text("".join(json.dumps(item) + "\n" for item in objects))
    kubectl.apply(places, manifest)


def is_installed(places: layout.Layout, key: str) -> bool:
    """Report whether every process of this very installation is available."""
    try:
        found = json.loads(kubectl.read(places, "-n", NAMESPACE, "get", "deployments", "-o", "json"))["items"]
    except errors.CommandFailed:
        return False
    return len(found) > 1 and all(_made_from(item) == key and _is_available(item) for item in found)


def deploy_shop(places: layout.Layout, key: str) -> None:
    """Deploy every sample function as a user would, then mark the namespace."""
    kubectl.run(places, "apply", "-f", _write_shop(places, key=None))
    for folder in sorted(path for path in (places.clone / "functions").iterdir() if path.is_dir()):
        commands.run(
            [places.clone / ".venv" / "bin" / "mayfly", "-n", SHOP, "deploy", folder],
            log=places.logs / "shop.log",
            env={"KUBECONFIG": str(places.admin_kubeconfig), "NO_COLOR": "1"},
        )
    kubectl.run(places, "apply", "-f", _write_shop(places, key=key))


def _write_shop(places: layout.Layout, *, key: str | None) -> Path:
    """Write the shop's namespace, and the signing key that its payment callback asks for."""
    annotations = {MADE_FROM: key} if key else {}
    objects: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP, "annotations": annotations}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "payment-provider", "namespace": SHOP},
            "stringData": {"signing-key": "sample"},
        },
    ]
    manifest = places.state / "shop.json"
    manifest.write_text("".join(json.dumps(item) + "\n" for item in objects))
    return manifest


def is_deployed(places: layout.Layout, key: str) -> bool:
    """Report whether the sample shop of these files is there and ready."""
    try:
        namespace = json.loads(kubectl.read(places, "get", "namespace", SHOP, "-o", "json"))
        functions = json.loads(kubectl.read(places, "-n", SHOP, "get", "functions", "-o", "json"))["items"]
    except errors.CommandFailed:
        return False
    return _made_from(namespace) == key and bool(functions) and all(_is_ready(item) for item in functions)


def call_sample(places: layout.Layout, report: progress.Reporter) -> None:
    """Call the first sample through the gateway and say how to go on."""
    url = kubectl.read(places, "-n", SHOP, "get", "function", "hello", "-o", "jsonpath={.status.url}").strip()
    host = url.partition("://")[2]
    argv: list[str | Path] = [
        "curl",
        "--fail",
        "--silent",
        "--show-error",
        "--max-time",
        "60",
        "--header",
        f"Host: {host}",
    ]
    answer = commands.output([*argv, f"{places.gateway}/?name=Mayfly"])
    report.say(f"""
  $ curl -H 'Host: {host}' '{places.gateway}/?name=Mayfly'
  {answer.strip()}

Gateway      {places.gateway}
Kubeconfig   {places.kubeconfig}

Next:
  source .cluster/env && export PATH=$PWD/.venv/bin:$PATH
  mayfly list -n {SHOP}
  mayfly new greeter && mayfly deploy greeter""")


def python(places: layout.Layout) -> Path:
    """Return the Python of the clone's environment, which `make venv` makes."""
    return places.clone / ".venv" / "bin" / "python"


def _image_file(places: layout.Layout) -> Path:
    return places.output / "image.json"


def _made_from(item: Mapping[str, dict[str, dict[str, str]]]) -> str | None:
    return item["metadata"].get("annotations", {}).get(MADE_FROM)


def _is_available(deployment: dict[str, dict[str, int]]) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
    return status.get("availableReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted


def _is_ready(function: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    conditions = function.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
