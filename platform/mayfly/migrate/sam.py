"""AWS SAM templates (https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/)."""

from __future__ import annotations

import re

from mayfly.migrate import draft, environment, fill, intrinsics, reading, samevents, secret, tags, text

FUNCTION = "AWS::Serverless::Function"
_RUNTIME = re.compile(r"(python|nodejs|java|go|ruby|dotnet|provided)(.{0,20})")
_HANDLER = re.compile(r"([A-Za-z0-9_./]{1,200})\.([A-Za-z_][A-Za-z0-9_]{0,50})")
_MAX_INLINE = 262_144

_FATES = {
    "Layers": "!add what the layer holds to requirements.txt, or to the folder",
    "Policies": "!there is no AWS role; give the code credentials by a Secret in spec.env, as narrow as these",
    "Role": "!there is no AWS role; give the code credentials by a Secret in spec.env",
    "PermissionsBoundary": "!there is no AWS role",
    "AssumeRolePolicyDocument": "!there is no AWS role",
    "VpcConfig": "!the cluster's network is used; limit it by a NetworkPolicy",
    "EphemeralStorage": "!/tmp shares the instance's memory; mount an emptyDir by spec.volumes",
    "FileSystemConfigs": "!keep files outside the function, in an object store",
    "KmsKeyArn": "!Secrets are encrypted by the cluster, if its administrator says so",
    "Architectures": "built for the nodes of the cluster",
    "PackageType": "",
    "Tracing": "the platform makes traces (docs/observability.md)",
    "LoggingConfig": "what is printed is logged as JSON lines",
    "SnapStart": "!instances start from the image; set spec.scaling.min to keep one running",
    "AutoPublishAlias": "every change makes a new revision by itself",
    "VersionDescription": "every change makes a new revision by itself",
    "DeploymentPreference": "!a new revision takes over at once when it is ready; there is no gradual shift yet",
    "ImageConfig": "!an image for Lambda does not serve HTTP; give Mayfly the code",
    "RuntimeManagementConfig": "the platform keeps the runtime current",
    "CodeSigningConfigArn": "!signatures are checked by the cluster's admission, if at all",
    "SourceKMSKeyArn": "",
}
_RESOURCE = {
    "Type": "",
    "DependsOn": "Functions wait for nothing",
    "Metadata": "built from requirements.txt or a lock file",
    "Condition": "!whether it is deployed depends on a condition; deploy it where it is wanted",
    "DeletionPolicy": "",
    "UpdateReplacePolicy": "",
    "DeploymentPreference": _FATES["DeploymentPreference"],
}
_TOP = {
    "AWSTemplateFormatVersion": "",
    "Transform": "",
    "Description": "",
    "Metadata": "",
    "Parameters": "their defaults are used where functions name them",
    "Outputs": "mayfly get NAME shows the URL",
    "Conditions": "!nothing is decided by conditions here; write a manifest for each case",
    "Mappings": "!not looked up; write the values",
    "Rules": "",
    "Hooks": "",
}


def matches(root: text.Node) -> bool:
    """Tell whether a document is a template that defines functions."""
    return any(node["Type"].text == FUNCTION for _, node in root["Resources"].pairs())


def read(found: reading.Reading, document: text.Document) -> None:
    """Read a template."""
    root = document.root
    parameters = intrinsics.read_parameters(root)
    functions = {name: node for name, node in root["Resources"].pairs() if node["Type"].text == FUNCTION}
    made = {name: _begin(found, document, name, node, parameters) for name, node in functions.items()}
    scope = intrinsics.Scope(root, parameters, {name: target.name for name, target in made.items()})
    for name, node in functions.items():
        _read_function(made[name], node, scope)
    book = found.book(document.file)
    for name, node in root["Resources"].pairs():
        if name not in functions:
            book.drop(node, f"{text.cut(node['Type'].text)} is not a function; {_advise(node['Type'].text)}")
    reading.settle(book, root, _TOP)


def _advise(kind: str) -> str:
    if kind in {"AWS::Serverless::Api", "AWS::Serverless::HttpApi"}:
        return "hosts, paths, authentication and CORS stand in spec.http"
    return "make it by other means, and give the code its address by spec.env"


def _begin(
    found: reading.Reading, document: text.Document, name: str, node: text.Node, parameters: intrinsics.Parameters
) -> draft.Draft:
    """Return the draft of a function, named by its own name where the template says it, else by its resource."""
    given = node.at("Properties", "FunctionName")
    try:
        plain = intrinsics.resolve(given, parameters) if given else given
    except intrinsics.Unresolved:
        plain = text.Node("")
    target = found.begin(document.file, given if plain.is_scalar else node, plain.text or name, "")
    target.book.settled.discard(node.path)
    target.book.settled.add(given.path)
    return target


def _read_function(target: draft.Draft, node: text.Node, scope: intrinsics.Scope) -> None:
    properties = node["Properties"]
    shared = scope.root.at("Globals", "Function")
    # What stands in Globals holds where the function says nothing (SAM: "Globals section", overridable properties).
    merged = text.Node(properties.path, fields={**(shared.fields or {}), **(properties.fields or {})})
    _read_code(target, merged, scope)
    _read_numbers(target, merged, scope)
    variables = [*shared.at("Environment", "Variables").pairs(), *properties.at("Environment", "Variables").pairs()]
    for name, value in dict(variables).items():
        _read_variable(target, value, name, scope)
    for key, value in {**(shared["Tags"].fields or {}), **(properties["Tags"].fields or {})}.items():
        if resolved := plain(target, value, scope):
            tags.label(target, resolved, key)
    if merged["Description"] and (resolved := plain(target, merged["Description"], scope)):
        tags.annotation(target, resolved, "description")
    samevents.read(target, merged, scope)
    reading.settle(target.book, merged, _FATES)
    reading.settle(target.book, node, _RESOURCE)
    _settle_overridden(target, shared, properties)
    target.book.sweep(shared, reading.UNKNOWN)
    target.book.sweep(node, reading.UNKNOWN)
    target.book.settle(node)


def _settle_overridden(target: draft.Draft, shared: text.Node, properties: text.Node) -> None:
    """Say which values for all functions do not hold, since the function has its own; lists add up."""
    reading.settle(target.book, shared, {name: _FATES[name] for name in ("Layers", "Policies", "VpcConfig")})
    both = [(shared, properties), (shared["Environment"]["Variables"], properties["Environment"]["Variables"])]
    both.append((shared["Tags"], properties["Tags"]))
    for ours, own in both:
        overridden = [name for name, _ in ours.pairs() if own[name] and name not in {"Environment", "Tags"}]
        reading.settle(target.book, ours, dict.fromkeys(overridden, "the function's own value holds"))


def plain(target: draft.Draft, node: text.Node, scope: intrinsics.Scope) -> text.Node | None:
    """Return ``node`` with its functions worked out; None, with an entry, where the template does not say it."""
    try:
        return intrinsics.resolve(node, scope.parameters)
    except intrinsics.Unresolved as error:
        target.book.drop(node, str(error))
        return None


def _read_variable(target: draft.Draft, node: text.Node, name: str, scope: intrinsics.Scope) -> None:
    neighbour = intrinsics.refers_to(node)
    try:
        environment.variable(target, intrinsics.resolve(node, scope.parameters), name)
    except intrinsics.Unresolved as error:
        if error.secret:
            environment.hidden(target, node, name, str(error))
        elif neighbour in scope.names:
            target.book.drop(
                node, f"another function: call http://{scope.names[neighbour]}.NAMESPACE.svc.cluster.local"
            )
        else:
            target.book.drop(node, f"{error}; without it the code finds no {name[:80]}")


def _read_code(target: draft.Draft, merged: text.Node, scope: intrinsics.Scope) -> None:
    if merged["PackageType"].text == "Image" or merged["ImageUri"]:
        target.blocked = "an image for Lambda does not serve HTTP; write CodeUri, Handler and Runtime"
        target.book.drop(merged["ImageUri"] or merged["PackageType"], target.blocked)
    if merged["Runtime"] and (runtime := plain(target, merged["Runtime"], scope)):
        match = _RUNTIME.fullmatch(runtime.text)
        fill.runtime(target, runtime, match[1] if match else runtime.text, match[2] if match else "")
    _read_folder(target, merged, scope)
    if merged["Handler"] and (handler := plain(target, merged["Handler"], scope)):
        match = _HANDLER.fullmatch(handler.text)
        if target.blocked:
            target.book.drop(handler, target.blocked)
        elif match:
            fill.handler(target, handler, match[1].strip("./").replace("/", "."), match[2])
            target.fields["signature"] = "lambda"
        else:
            target.book.drop(handler, f"{handler.shown} is not FILE.FUNCTION; set spec.handler to module:name")


def _read_folder(target: draft.Draft, merged: text.Node, scope: intrinsics.Scope) -> None:
    if inline := merged["InlineCode"]:
        _read_inline(target, inline)
    uri = merged["CodeUri"]
    if not uri:
        return
    path = plain(target, uri, scope)
    if path is None or not path.is_scalar or path.text.startswith("s3://"):
        target.blocked = target.blocked or "its code is not in a folder here"
        if path is not None:
            target.book.drop(uri, "the code lies in a bucket; fetch it into a folder and name that in CodeUri")
        return
    target.folder = reading.place(target.file, path.text)
    if target.folder is None:
        target.blocked = f"{path.shown}: {reading.OUTSIDE}"
        target.book.drop(path, reading.OUTSIDE)
    else:
        target.book.carry(path, "its folder: mayfly deploy FOLDER")


def _read_inline(target: draft.Draft, node: text.Node) -> None:
    if not node.is_scalar or len(node.text) > _MAX_INLINE or secret.looks_secret("", node.text):
        target.blocked = "its inline code is not plain text, too long, or holds what looks like a secret"
        target.book.drop(node, f"{target.blocked}; write it into a folder")
        return
    target.folder = None
    target.put(node, "source", {"inline": {"index.py": node.text}})


def _read_numbers(target: draft.Draft, merged: text.Node, scope: intrinsics.Scope) -> None:
    def take(name: str) -> text.Node | None:
        return plain(target, merged[name], scope) if merged[name] else None

    if (limit := take("Timeout")) is not None:
        fill.timeout(target, limit, fill.seconds_of(limit))
    if (memory := take("MemorySize")) is not None:
        _read_memory(target, memory)
    if (most := take("ReservedConcurrentExecutions")) is not None:
        fill.count(target, most, "scaling.max", low=1, high=1000, how="as many instances, each with one call at a time")
    kept = merged.at("ProvisionedConcurrencyConfig", "ProvisionedConcurrentExecutions")
    if kept and (least := plain(target, kept, scope)) is not None:
        fill.count(target, least, "scaling.min", low=1, high=1000)
    # Lambda gives an instance one event at a time, and code may count on it.
    target.fields.setdefault("scaling", {})["concurrency"] = 1
    target.steps.append("set spec.scaling.concurrency higher where the code can answer several calls at a time")


def _read_memory(target: draft.Draft, node: text.Node) -> None:
    if node.number is None or not 0 < node.number <= 1_000_000:  # noqa: PLR2004  (a terabyte is no function)
        target.book.drop(node, f"{node.shown} is not a number of megabytes; set spec.resources.memory")
        return
    target.put(node, "resources.memory", f"{node.number}Mi")
