"""Knative's ``func.yaml`` (https://github.com/knative/func/blob/main/schema/func_yaml-schema.json)."""

from __future__ import annotations

import posixpath
import re

from mayfly.migrate import draft, environment, fill, kube, occasions, reach, reading, tags, text

NAMES = ("func.yaml", "func.yml")
_TEMPLATE = re.compile(r"\{\{\s*(secret|configMap|env):([^:{}\s]{1,253})(?::([^:{}\s]{1,253}))?\s*\}\}")
_VISIBILITY = "networking.knative.dev/visibility"
_BUILT = "the platform builds, pushes and names images itself"
_PROBED = "the platform probes the function itself"

_TOP = {
    "specVersion": "",
    "created": "",
    "namespace": "say it when you deploy: mayfly deploy -n NAMESPACE",
    "registry": _BUILT,
    "registryInsecure": _BUILT,
    "image": _BUILT,
    "imageDigest": _BUILT,
    "deployer": "Knative Serving runs it",
    "template": "",
    "invoke": "found by itself in the code, and shown in status.signature",
    "healthEndpoints": _PROBED,
}
_BUILD = {
    "builder": _BUILT,
    "builderImages": _BUILT,
    "buildpacks": _BUILT,
    "pvcSize": _BUILT,
    "remoteStorageClass": _BUILT,
    "baseImage": "!the platform chooses the base image; for packages of the system use spec.source.image",
    "buildEnvs": "!builds take no variables; pin what a build needs in requirements.txt or pyproject.toml",
    "volumes": "!builds mount nothing; put what they need into the folder",
    "git": "the code is taken from this folder",
}
_DEPLOY = {
    "namespace": _TOP["namespace"],
    "image": _BUILT,
    "deployer": _TOP["deployer"],
    "healthEndpoints": _PROBED,
    "imagePullSecret": _BUILT,
    "managementDisabled": "",
    "remote": "",
    "serviceAccountName": "!functions run without a token of the cluster; give credentials by a Secret in spec.env",
}
_RUN = {
    "startTimeout": "!a start has the platform's own limit; shorten what is imported",
    "kafka": "!bring messages as CloudEvents (Knative's KafkaSource) and add an event to spec.triggers",
}


def read(found: reading.Reading, document: text.Document) -> None:
    """Read one ``func.yaml``."""
    root = document.root
    folder = posixpath.dirname(document.file)
    original = root["name"].text or posixpath.basename(folder) or found.root
    target = found.begin(document.file, root["name"] or root, original, folder)
    if root["runtime"]:
        fill.runtime(target, root["runtime"], root["runtime"].text)
    _read_scale(target, root.at("deploy", "options"))
    _read_meta(target, root["deploy"])
    if root["domain"]:
        reach.host(target, root["domain"], root["domain"].text)
    for item in [*root.at("run", "envs").each(), *root["envs"].each()]:
        _read_variable(target, item)
    for item in [*root.at("run", "volumes").each(), *root["volumes"].each()]:
        _read_volume(target, item)
    for item in root.at("deploy", "subscriptions").each():
        _read_subscription(target, item)
    for node, fates in (root, _TOP), (root["build"], _BUILD), (root["deploy"], _DEPLOY), (root["run"], _RUN):
        reading.settle(target.book, node, fates)
    # A root that stands in for an absent name would take everything below it for settled.
    target.book.settled.discard(root.path)
    target.book.sweep(root, reading.UNKNOWN)


def _read_variable(target: draft.Draft, item: text.Node) -> None:
    """Read a variable: a text, or a reference in double braces."""
    name, value = item["name"].text, item["value"].text
    match = _TEMPLATE.fullmatch(value.strip()) if len(value) < 1024 else None  # noqa: PLR2004  (three names fit)
    if match is None and "{{" in value:
        target.book.drop(item, "more than one reference in double braces; give the code each part in spec.env")
    elif match is None:
        environment.variable(target, item, name, value)
    elif match[1] == "env":
        environment.hidden(target, item, name, "its value comes from the shell that deploys")
    elif match[3]:
        kind = "secretKeyRef" if match[1] == "secret" else "configMapKeyRef"
        environment.reference(target, item, name, kind=kind, owner=match[2], key=match[3])
    else:
        kind = "secretRef" if match[1] == "secret" else "configMapRef"
        how = "the name is the key's" if name else ""
        environment.everything(target, item, kind=kind, owner=match[2], how=how)


def _read_volume(target: draft.Draft, item: text.Node) -> None:
    path = item["path"].text
    for kind in ("secret", "configMap"):
        if item[kind]:
            environment.mount(target, item, path, {kind: {"name": item[kind].text}})
            return
    if "emptyDir" in (item.fields or {}):
        how = "its size is not limited" if item.at("emptyDir", "sizeLimit") else ""
        environment.mount(target, item, path, {"emptyDir": {}}, how)
    else:
        target.book.drop(item, "only Secrets, ConfigMaps and emptyDir can be mounted; keep data outside the function")


def _read_scale(target: draft.Draft, options: text.Node) -> None:
    scale, limit = options["scale"], options.at("resources", "limits", "concurrency")
    for name in ("min", "max"):
        if scale[name]:
            fill.count(target, scale[name], f"scaling.{name}", low=0, high=1000)
    if limit:
        fill.count(target, limit, "scaling.concurrency", low=0, high=1000)
    _read_target(target, scale, limited=bool(limit))
    if scale["utilization"]:
        target.book.drop(scale["utilization"], "the platform chooses it; set spec.scaling.concurrency")
    kube.read_resources(target, options["resources"])


def _read_target(target: draft.Draft, scale: text.Node, *, limited: bool) -> None:
    """Read what an instance is meant to take: requests at a time are known here, requests a second are not."""
    metric, wanted = scale["metric"], scale["target"]
    if metric and metric.text != "concurrency":
        target.book.drop(metric, f"{metric.shown} does not scale here; set spec.scaling.concurrency")
        if wanted:
            target.book.drop(wanted, "it counts requests a second; set spec.scaling.concurrency")
        return
    if metric:
        target.book.replace(metric, "what the platform scales by")
    if wanted and limited:
        target.book.drop(wanted, "the limit is carried; the platform starts instances before it is reached")
    elif wanted and wanted.number:
        fill.count(target, wanted, "scaling.concurrency", low=1, high=1000, how="a target there, a limit here")


def _read_meta(target: draft.Draft, deploy: text.Node) -> None:
    for item in deploy["labels"].each():
        key, value = item["key"].text, item["value"]
        if key == _VISIBILITY and value.text == "cluster-local":
            reach.hide(target)
            target.book.carry(item, "spec.http.visibility")
        elif "{{" in value.text:
            target.book.drop(item, "its value comes from the shell that deploys; write it into metadata.labels")
        else:
            tags.label(target, value, key)
            target.book.settle(item["key"])
    for key, value in deploy["annotations"].pairs():
        tags.annotation(target, value, key)


def _read_subscription(target: draft.Draft, item: text.Node) -> None:
    """Read a subscription to a broker: its filters are attributes that are equal."""
    attributes = {key: value.text for key, value in item["filters"].pairs() if value.is_scalar}
    content = {key: attributes.pop(key, None) for key in ("type", "source", "subject")}
    how = f"from the platform's own events instead of the broker {item['source'].shown}"
    if len(attributes) > 16:  # noqa: PLR2004  (the most that the CRD takes)
        target.book.drop(item, "more than 16 attributes; write filters in spec.triggers")
        return
    occasions.event(target, item, {**content, "attributes": attributes}, how=how)
