"""OpenFaaS' ``stack.yml`` (https://docs.openfaas.com/reference/yaml/) and its Function objects."""

from __future__ import annotations

import re

from mayfly.migrate import cron, draft, environment, fill, kube, naming, occasions, reading, tags, text

API_GROUP = "openfaas.com/"
_SECRETS = "/var/openfaas/secrets"
_OWN = "com.openfaas."
_SCALE = "com.openfaas.scale."
_HEALTH = "com.openfaas.health."
_LANGUAGE = re.compile(r"(python|node|golang|go|java|csharp|dotnet|ruby|php|rust|perl|dockerfile|bash)([0-9.]*)")
_TEMPLATE = re.compile(r"python[0-9.]*(-http|-flask)?(-debian)?")
"""OpenFaaS' own templates for Python, whose handlers all have one of two forms."""
_PYTHON = re.compile(r"python(3\.[0-9]+)")
_TIMES = ("exec_timeout", "write_timeout", "read_timeout", "upstream_timeout")
_WATCHDOG = {
    "fprocess": "the platform starts the code itself",
    "mode": "the platform starts the code itself",
    "upstream_url": "the platform starts the code itself",
    "http_upstream_url": "the platform starts the code itself",
    "function_process": "the platform starts the code itself",
    "healthcheck_interval": "the platform drains instances itself",
    "write_debug": "requests are logged by the platform",
    "combine_output": "requests are logged by the platform",
    "prefix_logs": "requests are logged by the platform",
}
"""Variables that speak to the watchdog, which is not there any more."""
_FATES = {
    "lang": "",
    "skip_build": "an unchanged source is never built twice",
    "fprocess": _WATCHDOG["fprocess"],
    "readonly_root_filesystem": "always so; write to /tmp",
    "namespace": "say it when you deploy: mayfly deploy -n NAMESPACE",
    "platforms": "built for the nodes of the cluster",
    "build_args": "!builds take no arguments; pin what a build needs in requirements.txt",
    "build_options": "!the platform chooses the base image; for packages of the system use spec.source.image",
    "build_secrets": "!builds take no secrets",
    "buildArgs": "!builds take no arguments; pin what a build needs in requirements.txt",
    "constraints": "!the platform's administrator says where functions run",
    "environment_file": "!copy its variables into spec.env, what is secret into a Secret",
}
_TOP = {
    "version": "",
    "provider": "the cluster of your kubeconfig takes the place of the gateway",
    "configuration": "templates are not needed; the code is run as it is",
}


def matches(root: text.Node) -> bool:
    """Tell whether a document is a stack or a Function of OpenFaaS."""
    if root["apiVersion"].text.startswith(API_GROUP):
        return root["kind"].text == "Function"
    return root.at("provider", "name").text in {"openfaas", "faas"} and root["functions"].fields is not None


def read(found: reading.Reading, document: text.Document) -> None:
    """Read one document."""
    root = document.root
    if root["apiVersion"]:
        _read_function(found, document, root["spec"], root.at("spec", "name").text or root.at("metadata", "name").text)
        book = found.drafts[-1].book
        reading.settle(book, root, {"apiVersion": "", "kind": "", "metadata": ""})
        return
    for name, node in root["functions"].pairs():
        _read_function(found, document, node, name)
    extensions = dict.fromkeys((name for name, _ in root.pairs() if name.startswith("x-")), "")
    reading.settle(found.book(document.file), root, _TOP | extensions)


def _read_function(found: reading.Reading, document: text.Document, node: text.Node, name: str) -> None:
    folder = reading.place(document.file, node["handler"].text) if node["handler"] else ""
    target = found.begin(document.file, node, name or "fn", folder)
    target.book.settled.discard(node.path)
    _read_code(target, node)
    _read_secrets(target, node["secrets"])
    _read_environment(target, node["environment"])
    _read_scale(target, node["labels"])
    _read_annotations(target, node["annotations"])
    for key, value in node["labels"].pairs():
        if value.path in target.book.settled:
            continue
        if key.startswith(_OWN):
            target.book.drop(value, "it means something to OpenFaaS alone")
        else:
            tags.label(target, value, key)
    kube.read_resources(target, node)
    reading.settle(target.book, node, _FATES | {"name": ""})
    target.book.sweep(node, reading.UNKNOWN)
    target.book.settle(node)


def _read_code(target: draft.Draft, node: text.Node) -> None:
    """Read where the code is: a folder for Python, else the image, whose watchdog serves HTTP on port 8080."""
    lang, handler, image = node["lang"], node["handler"], node["image"]
    match = _LANGUAGE.match(lang.text)
    if match and match[1] == "python":
        version = _PYTHON.match(lang.text)
        fill.runtime(target, lang, "python", version[1] if version else "")
        if _TEMPLATE.fullmatch(lang.text):
            target.fields["signature"] = "openfaas"
        if target.folder is None:
            target.blocked = f"{handler.shown}: {reading.OUTSIDE}"
            target.book.drop(handler, reading.OUTSIDE)
        elif handler:
            target.book.carry(handler, "its folder: mayfly deploy FOLDER")
        reading.settle(target.book, node, {"image": "the platform builds, pushes and names images itself"})
        return
    if image:
        how = "the image has to be pushed; its watchdog serves HTTP on port 8080, which is asked for"
        fill.image(target, image, how)
        reading.settle(target.book, node, {"lang": "the image is run as it is", "handler": "the image holds the code"})
    if not target.find("source"):
        fill.runtime(target, lang or node, match[1] if match else lang.text or "unknown")
        if handler and target.blocked:
            target.book.drop(handler, target.blocked)
        elif handler:
            target.book.carry(handler, "its folder: mayfly deploy FOLDER")


def _read_secrets(target: draft.Draft, node: text.Node) -> None:
    """Mount what the code reads below /var/openfaas/secrets: several become the keys of one Secret."""
    several = [item for item in node.each() if item.is_scalar]
    if len(several) == 1:
        environment.mount(target, several[0], _SECRETS, {"secret": {"name": several[0].text}})
    elif several:
        owner = naming.make_name(f"{target.name}-secrets", 63)
        environment.mount(target, several[0], _SECRETS, {"secret": {"name": owner}}, f"now a key of the Secret {owner}")
        for item in several:
            target.need_secret(owner, naming.make_name(item.text, 63))
        for item in several[1:]:
            target.book.carry(item, f"spec.volumes[{_SECRETS}]", f"now a key of the Secret {owner}; create it")


def _read_environment(target: draft.Draft, node: text.Node) -> None:
    """Read variables; those for the watchdog become what they meant."""
    times = [(value, seconds) for name in _TIMES if (value := node[name]) and (seconds := fill.seconds_of(value))]
    if times:
        chosen, seconds = times[0] if times[0][0].path.endswith("exec_timeout") else max(times, key=lambda one: one[1])
        fill.timeout(target, chosen, seconds, "" if len(times) == 1 else "one timeout holds everywhere")
        for value, _ in times:
            if value is not chosen:
                target.book.replace(value, f"one timeout holds everywhere: {chosen.path.rpartition('.')[2]}")
    if node["max_inflight"]:
        fill.count(target, node["max_inflight"], "scaling.concurrency", low=0, high=1000)
    reading.settle(target.book, node, _WATCHDOG)
    for name, value in node.pairs():
        if value.path not in target.book.settled:
            environment.variable(target, value, name)


def _read_scale(target: draft.Draft, labels: text.Node) -> None:
    zero, least, most = (labels[f"{_SCALE}{name}"] for name in ("zero", "min", "max"))
    if zero and zero.flag:
        target.put(zero, "scaling.min", 0)
        if least:
            target.book.replace(least, "it scales to zero, and up to what is needed at once")
    elif zero:
        target.put(zero, "scaling.min", 1)
    if least and least.path not in target.book.settled:
        fill.count(target, least, "scaling.min", low=0, high=1000)
    if most:
        fill.count(target, most, "scaling.max", low=1, high=1000)
    if pause := labels[f"{_SCALE}zero-duration"]:
        fill.idle(target, pause, fill.seconds_of(pause))
    _read_target(target, labels)


def _read_target(target: draft.Draft, labels: text.Node) -> None:
    kind, wanted = labels[f"{_SCALE}type"], labels[f"{_SCALE}target"]
    if kind and kind.text != "capacity":
        target.book.drop(kind, f"{kind.shown} does not scale here; set spec.scaling.concurrency")
        if wanted:
            target.book.drop(wanted, f"it counts {kind.shown}; set spec.scaling.concurrency")
    elif kind and wanted and not target.find("scaling.concurrency"):
        target.book.replace(kind, "what the platform scales by")
        fill.count(target, wanted, "scaling.concurrency", low=1, high=1000, how="a target there, a limit here")
    proportion = labels[f"{_SCALE}target-proportion"]
    if proportion:
        target.book.drop(proportion, "the platform chooses it; set spec.scaling.concurrency")


def _read_annotations(target: draft.Draft, node: text.Node) -> None:
    """Read topics as triggers for events of that type, and the schedule of the cron connector."""
    topics, when = node["topic"], node["schedule"]
    named = [name.strip() for name in topics.text.split(",") if name.strip()]
    others = [name for name in named if name != "cron-function"]
    if when:
        occasions.schedule(target, when, cron.convert_go, name="schedule")
    if topics and not others:
        target.book.replace(topics, "the schedule is a trigger of its own")
    for name in others:
        how = "each topic is a type of events; whoever publishes has to send CloudEvents of that type"
        occasions.event(target, topics, {"type": name}, how=how)
    for key, value in node.pairs():
        if value.path in target.book.settled:
            continue
        if key.startswith(_HEALTH):
            target.book.replace(value, "the platform probes the function itself")
        elif key.startswith(_OWN):
            target.book.drop(value, "it means something to OpenFaaS alone")
        else:
            tags.annotation(target, value, key)
