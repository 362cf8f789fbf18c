"""API objects as Knative writes them, made short."""

from __future__ import annotations

from typing import Any

from mayfly.model import exposure, labels
from mayfly.routing import ingress as knative

CLASS = "mayfly.ingress.networking.knative.dev"


def split(
    service: str, *, percent: int = 100, port: int | str = 80, namespace: str = "shop", **headers: str
) -> dict[str, Any]:
    """Return a split; ``headers`` are appended, with ``_`` for ``-``."""
    made: dict[str, Any] = {
        "serviceNamespace": namespace,
        "serviceName": service,
        "servicePort": port,
        "percent": percent,
    }
    if headers:
        made["appendHeaders"] = {name.replace("_", "-"): value for name, value in headers.items()}
    return made


def path(*splits: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a path with further ``fields`` as they are called in the API."""
    return {"splits": list(splits), **fields}


def rule(hosts: list[str], *paths: dict[str, Any], visibility: str = "ExternalIP") -> dict[str, Any]:
    """Return a rule."""
    return {"hosts": hosts, "visibility": visibility, "http": {"paths": list(paths)}}


def ingress(
    name: str, *rules: dict[str, Any], namespace: str = "shop", created: str = "2026-01-01T00:00:00Z", **spec: Any
) -> dict[str, Any]:
    """Return a KIngress of our class."""
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "generation": 1,
            "creationTimestamp": created,
            "annotations": {"networking.knative.dev/ingress.class": CLASS},
        },
        "spec": {"httpOption": "Enabled", "rules": list(rules), **spec},
    }


def function(
    name: str,
    *,
    http: dict[str, Any] | None = None,
    tags: tuple[str, ...] = (),
    revisions: tuple[str, ...] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Return the ingress of a Function with its ``spec.http``; rules for tags stand behind those of its own."""
    percent = 100 // max(len(revisions), 1)
    splits = path(*(split(each, percent=percent) for each in revisions or (name,)))
    rules: list[dict[str, Any]] = []
    for whole in (name, *(f"{tag}-{name}" for tag in tags)):
        rules.append(
            rule(
                [f"{whole}.shop", f"{whole}.shop.svc", f"{whole}.shop.svc.cluster.local"],
                splits,
                visibility="ClusterLocal",
            )
        )
        rules.append(rule([f"{whole}.shop.example.com"], splits))
    made = ingress(name, *rules, **fields)
    made["metadata"]["labels"] = {labels.FUNCTION: name}
    if http is not None:
        given = exposure.Exposure.model_validate({"http": http})
        made["metadata"]["annotations"][exposure.ANNOTATION] = given.model_dump_json(by_alias=True, exclude_unset=True)
    return made


def plain(name: str, host: str) -> dict[str, Any]:
    """Return the ingress of a Knative Service that no Function is behind."""
    made = ingress(name, rule([host], path(split(name))))
    made["metadata"]["labels"] = {knative.SERVICE_LABEL: name}
    return made


def service(
    name: str, *, port: int = 80, port_name: str = "http", namespace: str = "shop", **spec: Any
) -> dict[str, Any]:
    """Return a Service with one port."""
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"ports": [{"name": port_name, "port": port}], **spec},
    }


def slice_(
    service: str,
    *addresses: str,
    port: int,
    port_name: str = "http",
    namespace: str = "shop",
    not_ready: tuple[str, ...] = (),
    draining: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return an EndpointSlice of a Service."""
    leaving = {"ready": False, "serving": True, "terminating": True}
    endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
    endpoints += [{"addresses": [address], "conditions": {"ready": False}} for address in not_ready]
    endpoints += [{"addresses": [address], "conditions": leaving} for address in draining]
    return {
        "metadata": {
            "namespace": namespace,
            "name": f"{service}-x1",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": port_name, "port": port}],
        "endpoints": endpoints,
    }
