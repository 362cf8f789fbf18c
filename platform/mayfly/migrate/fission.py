"""Fission's specs (https://fission.io/docs/usage/spec/): several kinds of objects that name each other.

Schedules are those of a Go library with optional seconds, message queues name topics; a topic becomes a type of events.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from mayfly.migrate import cron, draft, environment, fill, kube, occasions, reach, reading, tags, text

API_GROUP = "fission.io/"
_LANGUAGES = re.compile(r"(python|node|go|jvm|dotnet|ruby|php|perl|binary|rust)[a-z-]*-?([0-9]\.[0-9]{1,2})?")
_SPEC_FATES = {
    "onceOnly": "!instances answer many calls; keep no state between them",
    "retainPods": "set spec.scaling.idle",
    "streaming": "answers are streamed when the code streams",
    "provisionedConcurrency": "!set spec.scaling.min",
    "versioning": "every change makes a new revision by itself",
    "tool": "!functions are not offered as tools",
    "state": "!keep state outside the function",
    "publishWait": "",
}
_REFERENCE = {"type": "", "name": "", "namespace": "", "resourceversion": ""}
"""What objects name each other by."""
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")
_META = {"namespace": "say it when you deploy: mayfly deploy -n NAMESPACE", "creationTimestamp": "", "uid": ""}


@dataclass(frozen=True, slots=True)
class Object:
    """One object of the specs; ``node`` has the name of its kind and its own before every path."""

    file: str
    kind: str
    name: str
    node: text.Node

    @property
    def spec(self) -> text.Node:
        """Its spec; itself for kinds without."""
        return self.node["spec"] or self.node


class Specs:
    """All objects that were read, found by what they are called and by the function that they call."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.used: set[str] = set()
        self._named = {(one.kind, one.name): one for one in reversed(objects)}
        self._calling: dict[tuple[str, str], list[Object]] = {}
        for one in objects:
            called = (one.spec["functionref"] or one.spec["functionReference"])["name"].text
            self._calling.setdefault((one.kind, called), []).append(one)

    def find(self, kind: str, name: str) -> Object | None:
        """Return the object of a kind that is called so, the first of several."""
        return self._named.get((kind, name))

    def of_function(self, kind: str, name: str) -> list[Object]:
        """Return the triggers of a kind that call a function."""
        return self._calling.get((kind, name), [])


def matches(root: text.Node) -> bool:
    """Tell whether a document belongs to Fission's specs."""
    return root["apiVersion"].text.startswith(API_GROUP) or root["kind"].text in {
        "ArchiveUploadSpec",
        "DeploymentConfig",
    }


def read(found: reading.Reading, documents: list[text.Document]) -> None:
    """Read all objects together."""
    specs = Specs([_make_object(document) for document in documents])
    for one in specs.objects:
        if one.kind == "Function":
            _read_function(found, one, specs)
    for one in specs.objects:
        if one.node.path not in specs.used and one.kind not in {"Function", "DeploymentConfig"}:
            found.book(one.file).drop(one.node, f"no function that was read has a use for this {one.kind[:80]}")


def _make_object(document: text.Document) -> Object:
    root = document.root
    name = root.at("metadata", "name").text or root["name"].text
    kind = root["kind"].text
    return Object(document.file, kind, name, reading.rebase(root, f"{_word(kind)} {_word(name)}: "))


def _word(name: str) -> str:
    """Return a name for a path, without what a terminal would take for more than letters."""
    return re.sub(r"[^!-~]", "?", name[:80])


def _read_function(found: reading.Reading, one: Object, specs: Specs) -> None:
    spec = one.spec
    target = found.begin(one.file, one.node.at("metadata", "name"), one.name or "fn", posixpath.dirname(one.file))
    package = specs.find("Package", spec.at("package", "packageref", "name").text)
    wanted = spec["environment"] or (package.spec["environment"] if package else spec["environment"])
    _use_environment(target, specs.find("Environment", wanted["name"].text), wanted, specs)
    _read_package(target, spec, package, specs)
    _read_strategy(target, spec)
    _read_values(target, spec)
    if spec["podspec"]:
        _read_pod(target, spec["podspec"])
    _read_triggers(target, one.name, specs)
    _read_meta(target, one.node)
    reading.settle(target.book, spec, _SPEC_FATES)
    reading.settle(target.book, spec["environment"], _REFERENCE)
    reading.settle(target.book, spec, {"invocation": "!set spec.delivery"})
    target.book.sweep(one.node, reading.UNKNOWN)


def _use_environment(target: draft.Draft, one: Object | None, wanted: text.Node, specs: Specs) -> None:
    """Take the language from the environment's image; its pods are the platform's business."""
    if one is None:
        if wanted["name"]:
            match = _LANGUAGES.search(wanted["name"].text)
            fill.runtime(target, wanted["name"], match[1] if match else wanted["name"].text[:80])
        return
    specs.used.add(one.node.path)
    image = one.spec.at("runtime", "image")
    match = _LANGUAGES.search(image.text.rpartition("/")[2][:200]) or _LANGUAGES.search(one.name[:200])
    fill.runtime(target, image or one.node, match[1] if match else image.text[:80], (match[2] or "") if match else "")
    target.book.settled.discard(one.node.path)
    pool = "the platform keeps no pool; set spec.scaling.min for instances that wait"
    fates = {
        "version": "",
        "poolsize": pool,
        "keeparchive": "",
        "builder": "the platform builds from requirements.txt or a lock file",
        "resources": "!instances get what spec.resources says",
        "terminationGracePeriod": "the platform drains instances itself",
        "runtime": "!the platform's own runtime is used; set spec.env and spec.volumes",
        "imagepullsecret": "the platform pulls its own images",
    }
    reading.settle(target.book, one.spec["runtime"], {"image": ""})
    if set(one.spec["runtime"].fields or {}) <= {"image"}:
        fates["runtime"] = ""
    reading.settle(target.book, one.spec, fates)
    _settle_envelope(target, one)
    target.book.sweep(one.node, reading.UNKNOWN)


def _settle_envelope(target: draft.Draft, one: Object) -> None:
    reading.settle(target.book, one.node, {"apiVersion": "", "kind": "", "metadata": "", "status": ""})


def _read_package(target: draft.Draft, spec: text.Node, package: Object | None, specs: Specs) -> None:
    """Read where the code is: a folder, when an upload names its files."""
    entry = spec.at("package", "functionName")
    if entry:
        module, _, name = entry.text.rpartition(".")
        if target.blocked:
            target.book.drop(entry, target.blocked)
        elif module:
            fill.handler(target, entry, module, name)
        else:
            target.book.replace(entry, "found by itself in the code")
    reading.settle(target.book, spec.at("package", "packageref"), _REFERENCE)
    if package is None:
        return
    specs.used.add(package.node.path)
    archive = package.spec["source"] if package.spec.at("source", "type") else package.spec["deployment"]
    _read_archive(target, archive, package, specs)
    reading.settle(
        target.book,
        package.spec,
        {
            "buildcmd": "!nothing of yours runs in a build; put dependencies into requirements.txt",
        },
    )
    reading.settle(target.book, package.spec["environment"], _REFERENCE)
    for name in ("source", "deployment"):
        reading.settle(target.book, package.spec[name], {"type": "", "checksum": ""})
    _settle_envelope(target, package)
    target.book.sweep(package.node, reading.UNKNOWN)


def _read_archive(target: draft.Draft, archive: text.Node, package: Object, specs: Specs) -> None:
    url = archive["url"]
    if not url.text.startswith("archive://"):
        if archive["literal"] or url:
            why = "the code is packed; unpack it into a folder"
            target.book.drop(archive["literal"] or url, f"{why}, and deploy that with this manifest")
        return
    upload = specs.find("ArchiveUploadSpec", url.text.removeprefix("archive://"))
    if upload is None:
        target.book.drop(url, "no ArchiveUploadSpec of that name was read; deploy the folder of the code")
        return
    specs.used.add(upload.node.path)
    reading.settle(target.book, upload.node, {"name": "", "include": "", "rootdir": ""})
    _settle_envelope(target, upload)
    target.book.sweep(upload.node, reading.UNKNOWN)
    files = [item.text for item in upload.spec["include"].each()]
    # Paths are relative to the parent of the folder of specs (fission: "spec init").
    base = posixpath.dirname(posixpath.dirname(package.file))
    first = re.split(r"[*?\[]", files[0], maxsplit=1)[0] if files else ""
    folder = reading.place(posixpath.join(base, "specs"), posixpath.dirname(first) or ".")
    if folder is None:
        target.blocked = f"{text.cut(files[0])}: {reading.OUTSIDE}"
        target.book.drop(url, reading.OUTSIDE)
        return
    target.folder = folder
    if any(file.endswith(_PACKED) for file in files):
        target.book.drop(url, f"{text.cut(files[0])} is packed; unpack it into its folder, which is what is deployed")
    else:
        target.book.carry(url, "its folder: mayfly deploy FOLDER")


def _read_strategy(target: draft.Draft, spec: text.Node) -> None:
    strategy = spec.at("InvokeStrategy", "ExecutionStrategy")
    for name, path in {"MinScale": "scaling.min", "MaxScale": "scaling.max"}.items():
        node = strategy[name]
        if node and (node.number or path.endswith("min")):
            fill.count(target, node, path, low=0, high=1000)
    for unset in ("TargetCPUPercent", "SpecializationTimeout"):
        if strategy[unset].number == 0:
            target.book.settle(strategy[unset])
    reading.settle(
        target.book,
        strategy,
        {
            "ExecutorType": "Knative Serving runs it",
            "SpecializationTimeout": "",
            "MaxScale": "",
            "TargetCPUPercent": "!CPU does not scale here; set spec.scaling.concurrency",
            "hpaMetrics": "!only calls at a time scale; set spec.scaling.concurrency",
            "hpaBehavior": "!only calls at a time scale; set spec.scaling.concurrency",
        },
    )
    reading.settle(target.book, spec["InvokeStrategy"], {"StrategyType": ""})


def _read_values(target: draft.Draft, spec: text.Node) -> None:
    if node := spec["functionTimeout"]:
        fill.timeout(target, node, fill.seconds_of(node))
    if node := spec["idletimeout"]:
        fill.idle(target, node, fill.seconds_of(node))
    if node := spec["requestsPerPod"]:
        fill.count(target, node, "scaling.concurrency", low=1, high=1000)
    if (node := spec["concurrency"]) and not target.find("scaling.max"):
        fill.count(target, node, "scaling.max", low=1, high=1000)
    elif node:
        target.book.replace(node, "MaxScale says it")
    kube.read_variables(target, spec["env"])
    kube.read_sources(target, spec["envFrom"])
    kube.read_resources(target, spec["resources"])
    for kind, top in (("secret", "/secrets"), ("configMap", "/configs")):
        for item in spec[f"{kind.lower()}s"].each():
            owner = item["name"].text
            path = f"{top}/{item['namespace'].text or 'default'}/{owner}"
            environment.mount(target, item, path, {kind: {"name": owner}})


def _read_pod(target: draft.Draft, pod: text.Node) -> None:
    """Take the image of a function that is a container."""
    containers = pod["containers"].each()
    image = containers[0]["image"] if containers else text.Node("")
    if len(containers) == 1 and image:
        fill.image(target, image, "it must serve HTTP on $PORT")
        kube.read_variables(target, containers[0]["env"])
        kube.read_resources(target, containers[0]["resources"])
        reading.settle(target.book, containers[0], {"name": "", "ports": "$PORT says it"})
    target.book.sweep(pod, "of a pod only one container's image, env and resources are taken over")


def _read_triggers(target: draft.Draft, name: str, specs: Specs) -> None:
    routes = specs.of_function("HTTPTrigger", name)
    if not routes:
        reach.hide(target)
    readers: dict[str, Callable[[draft.Draft, Object], None]] = {
        "HTTPTrigger": _read_route,
        "TimeTrigger": _read_timer,
        "MessageQueueTrigger": _read_queue,
        "KubernetesWatchTrigger": _read_watch,
    }
    for kind, reader in readers.items():
        for one in specs.of_function(kind, name):
            specs.used.add(one.node.path)
            reader(target, one)
            _settle_envelope(target, one)
            for reference in ("functionref", "functionReference"):
                reading.settle(target.book, one.spec[reference], _REFERENCE)
            target.book.sweep(one.node, reading.UNKNOWN)


def _read_route(target: draft.Draft, one: Object) -> None:
    spec = one.spec
    prefix, url = spec["prefix"], spec["relativeurl"]
    if spec["host"]:
        reach.host(target, spec["host"], spec["host"].text)
    shown = prefix if prefix.text else url
    fixed, brace, _ = shown.text.partition("{")
    methods = spec["methods"] or spec["method"]
    reach.route(
        target,
        shown or one.spec,
        (fixed.rstrip("/") or "/" if brace else shown.text) or "/",
        exact=not prefix.text and not brace and bool(shown.text),
        methods=reach.methods_of(methods),
        how="with everything below it: the code reads the path itself" if brace else "",
    )
    target.book.settled.discard(one.spec.path)
    reading.settle(
        target.book,
        spec,
        {
            "methods": "",
            "method": "",
            "createingress": "the gateway serves it",
            "ingressconfig": "!set spec.http.hosts, paths and tls",
            "routeConfig": "!set spec.http.hosts, paths and tls",
            "keepPrefix": "the code sees the whole path; spec.http.paths[].rewrite changes it",
            "corsConfig": "!write it as spec.http.cors",
            "invocationMode": "!callers choose: header Prefer: respond-async",
        },
    )


def _read_timer(target: draft.Draft, one: Object) -> None:
    occasions.schedule(target, one.spec["cron"], cron.convert_go, name=one.name)
    rest = ("method", "subpath")
    reading.settle(target.book, one.spec, dict.fromkeys(rest, "ticks come as events of type dev.mayfly.schedule"))


def _read_queue(target: draft.Draft, one: Object) -> None:
    spec = one.spec
    how = "a topic is a type of events; whoever publishes has to send CloudEvents of that type"
    occasions.event(target, spec["topic"], {"type": spec["topic"].text}, name=one.name, how=how)
    for theirs, ours in {"respTopic": "onSuccess", "errorTopic": "onFailure"}.items():
        node = spec[theirs]
        if node and 0 < len(node.text) <= 1024:  # noqa: PLR2004  (the most that the CRD takes)
            target.put(node, f"delivery.{ours}", {"event": node.text}, "a topic is a type of events")
    if spec["maxRetries"]:
        fill.count(target, spec["maxRetries"], "delivery.retries", low=0, high=100)
    scaler = "!the platform's own queue takes its place"
    fates = dict.fromkeys(("messageQueueType", "mqtkind"), "the platform's own queue takes its place")
    fates |= dict.fromkeys(("metadata", "secret", "podspec"), scaler)
    fates |= dict.fromkeys(
        ("pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount"), "spec.scaling says it"
    )
    reading.settle(target.book, spec, fates | {"contentType": "events say what they hold"})


def _read_watch(target: draft.Draft, one: Object) -> None:
    target.book.drop(
        one.node,
        "objects of the cluster are not watched; let Knative's ApiServerSource send events of the types"
        " dev.knative.apiserver.resource.add, update and delete, and add them to spec.triggers",
    )


def _read_meta(target: draft.Draft, node: text.Node) -> None:
    metadata = node["metadata"]
    for key, value in metadata["labels"].pairs():
        tags.label(target, value, key)
    for key, value in metadata["annotations"].pairs():
        tags.annotation(target, value, key)
    reading.settle(target.book, metadata, _META)
    reading.settle(target.book, node, {"apiVersion": "", "kind": "", "status": ""})
