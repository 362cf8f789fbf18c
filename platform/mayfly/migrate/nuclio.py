"""Nuclio's ``function.yaml`` (https://docs.nuclio.io/en/stable/reference/function-configuration/)."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re

from mayfly.migrate import cron, draft, fill, kube, occasions, reach, reading, secret, tags, text

API_GROUP = "nuclio.io/"
_RUNTIME = re.compile(r"([a-z]+):?([0-9.]*)")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,100}")
_MAX_INLINE = 262_144
_BUILT = "the platform builds, pushes and names images itself"
_CODE = "the code is taken from this folder"
_SPEC = {
    "version": "",
    "alias": "",
    "disable": "",
    "imageHash": "",
    "runRegistry": _BUILT,
    "registry": _BUILT,
    "replicas": "set spec.scaling.min and max to the same",
    "targetCPU": "!CPU does not scale here; set spec.scaling.concurrency",
    "customScalingMetricSpecs": "!only calls at a time scale; set spec.scaling.concurrency",
    "readinessTimeoutSeconds": "the platform waits as long as it takes, and says why",
    "waitReadinessTimeoutBeforeFailure": "",
    "loggerSinks": "what is logged comes out as JSON lines",
    "serviceType": "the gateway serves it",
    "serviceAccount": "!functions run without a token of the cluster; give credentials by a Secret",
    "securityContext": "!the platform's is stricter: no root, no privileges, read-only",
    "nodeSelector": "!the platform's administrator says where functions run",
    "nodeName": "!the platform's administrator says where functions run",
    "affinity": "!the platform's administrator says where functions run",
    "tolerations": "!the platform's administrator says where functions run",
    "priorityClassName": "!the platform's administrator says it",
    "preemptionMode": "!the platform's administrator says it",
    "initContainers": "!there is one container; prepare in the code",
    "sidecars": "!there is one container",
    "imagePullSecrets": _BUILT,
    "platform": "!settings of Nuclio's platform",
    "dataBindings": "!give the code addresses and credentials by spec.env",
    "avatar": "",
    "devices": "!functions get no devices",
}
_BUILD = {
    "path": _CODE,
    "registry": _BUILT,
    "image": _BUILT,
    "noBaseImagesPull": _BUILT,
    "baseImage": "!the platform chooses the base image; for packages of the system use spec.source.image",
    "commands": "!nothing of yours runs in a build; put `pip install X` into requirements.txt as X, for packages of the"
    " system use spec.source.image",
    "directives": "!nothing of yours runs in a build; use spec.source.image",
    "dependencies": "!put them into requirements.txt",
    "codeEntryType": _CODE,
    "codeEntryAttributes": _CODE,
    "timestamp": "",
    "mode": "",
    "noCache": "",
    "offline": "",
    "noCleanup": "",
    "onbuildImage": _BUILT,
    "addedObjectPaths": "!put the files into the folder",
    "runtimeAttributes": "",
}


def matches(root: text.Node, file: str) -> bool:
    """Tell whether a document is a function of Nuclio, with or without its envelope."""
    if root["apiVersion"].text.startswith(API_GROUP):
        return root["kind"].text in {"NuclioFunction", "Function", "function"}
    bare = not root["apiVersion"] and bool(root.at("spec", "handler")) and bool(root.at("spec", "runtime"))
    return bare and posixpath.basename(file) in {"function.yaml", "function.yml"}


def read(found: reading.Reading, document: text.Document) -> None:
    """Read one function."""
    root, spec = document.root, document.root["spec"]
    name, folder = root.at("metadata", "name"), posixpath.dirname(document.file)
    original = name.text or posixpath.basename(folder) or found.root
    target = found.begin(document.file, name or root, original, folder)
    _read_code(target, spec)
    for key, path in {"minReplicas": "scaling.min", "maxReplicas": "scaling.max"}.items():
        if spec[key]:
            fill.count(target, spec[key], path, low=0 if path.endswith("min") else 1, high=1000)
    if spec["eventTimeout"]:
        fill.timeout(target, spec["eventTimeout"], fill.seconds_of(spec["eventTimeout"]))
    if idle := spec["scaleToZero"]:
        target.book.replace(idle, "it scales to zero by itself; set spec.scaling.idle")
    kube.read_variables(target, spec["env"])
    kube.read_sources(target, spec["envFrom"])
    kube.read_resources(target, spec["resources"])
    for item in spec["volumes"].each():
        kube.read_volume(target, item, item["volume"], item.at("volumeMount", "mountPath").text)
    _read_triggers(target, spec)
    _read_meta(target, root)
    _finish(target, root)


def _finish(target: draft.Draft, root: text.Node) -> None:
    spec = root["spec"]
    if spec["disable"].flag:
        target.book.drop(spec["disable"], "a Function that exists is served; deploy it when it is wanted")
    reading.settle(target.book, spec["build"], _BUILD)
    reading.settle(target.book, spec, _SPEC)
    reading.settle(target.book, root, {"apiVersion": "", "kind": "", "status": ""})
    target.book.settled.discard(root.path)
    target.book.sweep(root, reading.UNKNOWN)


def _read_code(target: draft.Draft, spec: text.Node) -> None:
    runtime, handler, image = spec["runtime"], spec["handler"], spec["image"]
    match = _RUNTIME.match(runtime.text)
    language = match[1] if match else runtime.text
    if language != "python" and image:
        fill.image(
            target, image, "the image has to be pushed; its processor serves HTTP on port 8080, which is asked for"
        )
        reading.settle(
            target.book, spec, {"runtime": "the image is run as it is", "handler": "the image holds the code"}
        )
        return
    reading.settle(target.book, spec, {"image": _BUILT})
    if runtime:
        fill.runtime(target, runtime, language, match[2] if match else "")
        if language == "python":
            target.fields["signature"] = "nuclio"
    module, colon, name = handler.text.partition(":")
    if colon and not target.blocked:
        fill.handler(target, handler, module.removesuffix(".py"), name)
    elif handler:
        target.book.replace(handler, "found by itself in the code")
    if code := spec.at("build", "functionSourceCode"):
        _read_inline(
            target, code, module.removesuffix(".py") if _MODULE.fullmatch(module.removesuffix(".py")) else "main"
        )


def _read_inline(target: draft.Draft, node: text.Node, module: str) -> None:
    """Put source code that stands in the file, in base64, into the manifest."""
    try:
        code = base64.b64decode(node.text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        code = ""
    if not code or len(code) > _MAX_INLINE or "\0" in code or secret.looks_secret("", code):
        target.blocked = "its source is not base64 of text, too long, or holds what looks like a secret"
        target.book.drop(node, f"{target.blocked}; write it into a folder")
        return
    target.folder = None
    file = f"{module.replace('.', '/')}.py"
    target.put(node, "source", {"inline": {file: code}}, "in clear instead of base64")


def _read_triggers(target: draft.Draft, spec: text.Node) -> None:
    triggers = list(spec["triggers"].pairs())
    exposed = spec["serviceType"].text in {"NodePort", "LoadBalancer"}
    for name, node in triggers:
        kind, attributes = node["kind"], node["attributes"]
        if kind.text == "http":
            exposed |= attributes["serviceType"].text in {"NodePort", "LoadBalancer"} or bool(attributes["ingresses"])
            _read_http(target, node)
        elif kind.text == "cron":
            _read_cron(target, name, attributes)
        else:
            target.book.drop(
                node, f"{kind.shown} does not reach it; send CloudEvents and add their type to spec.triggers"
            )
        reading.settle(
            target.book,
            node,
            {"kind": "", "class": "", "name": "", "disable": "", "workerAvailabilityTimeoutMilliseconds": "calls wait"},
        )
        target.book.sweep(node, reading.UNKNOWN)
    if not exposed:
        reach.hide(target)


def _read_http(target: draft.Draft, node: text.Node) -> None:
    attributes = node["attributes"]
    workers = node["numWorkers"] or node["maxWorkers"]
    if workers:
        fill.count(target, workers, "scaling.concurrency", low=1, high=1000, how="workers there, calls at a time here")
    locks = [ingress["authenticationMode"] for _, ingress in attributes["ingresses"].pairs()]
    for lock in locks:
        if lock.text not in {"none", ""}:
            reach.protect(target, lock, f"{lock.shown} asked callers for a proof")
    for _, ingress in attributes["ingresses"].pairs():
        hosted = bool(ingress["host"]) and reach.host(target, ingress["host"], ingress["host"].text)
        if hosted:
            for path in ingress["paths"].each():
                reach.route(target, path, path.text, exact=ingress["pathType"].text == "Exact", methods=())
        without = "" if hosted else "!paths are paths of a host; set spec.http.hosts and paths"
        reading.settle(
            target.book,
            ingress,
            {"paths": without, "authenticationMode": "", "pathType": "", "host": "", "secretName": ""},
        )
    reading.settle(
        target.book,
        attributes,
        {
            "port": "the gateway serves it",
            "serviceType": "the gateway serves it",
            "cors": "!write it as spec.http.cors",
            "maxRequestBodySize": "!set spec.http.maxRequestSize",
            "readBufferSize": "",
            "reduceMemoryUsage": "",
            "serverOptions": "",
        },
    )


def _read_cron(target: draft.Draft, name: str, attributes: text.Node) -> None:
    if when := attributes["schedule"]:
        occasions.schedule(target, when, cron.convert_go, name=name)
    if when := attributes["interval"]:
        occasions.schedule(target, when, cron.convert_interval, name=name)
    reading.settle(
        target.book,
        attributes,
        {
            "event": "!ticks carry no data of the author's; put it into spec.env",
            "concurrencyPolicy": "!set spec.delivery.concurrency to 1 to have one at a time",
            "jobBackoffLimit": "set spec.delivery.retries",
        },
    )


def _read_meta(target: draft.Draft, root: text.Node) -> None:
    metadata = root["metadata"]
    reading.settle(target.book, metadata, {"namespace": "say it when you deploy: mayfly deploy -n NAMESPACE"})
    for key, node in metadata["labels"].pairs():
        tags.label(target, node, key)
    for key, node in metadata["annotations"].pairs():
        tags.annotation(target, node, key)
    if description := root.at("spec", "description"):
        tags.annotation(target, description, "description")
