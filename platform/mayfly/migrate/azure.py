"""Azure Functions apps: host.json, function.json or decorators, local.settings.json.

Functions with decorators (model v2) are one Function, since they are one app in the code: calls reach each by its
route, and timers become schedules, each named after its function. A function with a function.json (model v1) becomes a
Function of its own; those of one app share its folder.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from mayfly.migrate import azurecode, cron, draft, environment, fill, naming, occasions, parsing, reach, reading, text

HOST = "host.json"
SETTINGS = "local.settings.json"
FUNCTION = "function.json"
_KEY_HEADER = "x-functions-key"
_DEFAULT_PREFIX = "api"
_NO_EVENTS = "does not reach the cluster; send CloudEvents and add their type to spec.triggers"
_NO_OUTPUT = "nothing is written for the code; let it use the service's own library, with credentials by a Secret"

_HOST_FATES = {
    "version": "",
    "extensionBundle": "no extensions are needed",
    "logging": "what is printed is logged as JSON lines",
    "tracing": "the platform makes traces (docs/observability.md)",
    "aggregator": "the platform measures every call",
    "healthMonitor": "the platform probes instances itself",
    "managedDependency": "",
    "watchDirectories": "",
    "watchFiles": "",
    "functions": "!all functions of the app are run; take the others out of the code",
    "concurrency": "the platform scales by calls at a time",
    "singleton": "!there are no locks of the host; set spec.delivery.concurrency to 1",
    "customHandler": "!only code is run; set spec.source.image for a program of your own",
    "retry": "set spec.delivery.retries",
}
_SETTING_FATES = {
    "AzureWebJobsStorage": "the host's own storage is not needed",
    "AzureWebJobsFeatureFlags": "the host is not there any more",
    "FUNCTIONS_EXTENSION_VERSION": "the host is not there any more",
    "FUNCTIONS_WORKER_PROCESS_COUNT": "one process an instance; set spec.scaling",
    "PYTHON_ENABLE_WORKER_EXTENSIONS": "the host is not there any more",
    "WEBSITE_RUN_FROM_PACKAGE": "the host is not there any more",
    "SCM_DO_BUILD_DURING_DEPLOYMENT": "the platform builds by itself",
    "ENABLE_ORYX_BUILD": "the platform builds by itself",
    "APPINSIGHTS_INSTRUMENTATIONKEY": "the platform measures and traces by itself",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "the platform measures and traces by itself",
}


@dataclass(frozen=True, slots=True)
class Shared:
    """What holds for all functions of an app."""

    host: text.Node
    settings: text.Node


def find_apps(reading_: reading.Reading) -> list[str]:
    """Return the folders that hold a host.json."""
    return sorted(posixpath.dirname(file) for file in reading_.files if posixpath.basename(file) == HOST)


def read(found: reading.Reading, folder: str) -> None:
    """Read the app in ``folder``: decorators make one Function, each function.json one of its own."""
    shared = Shared(_parse(found, posixpath.join(folder, HOST)), _parse(found, posixpath.join(folder, SETTINGS)))
    singles = [
        file
        for file in sorted(found.files)
        if posixpath.basename(file) == FUNCTION and posixpath.dirname(posixpath.dirname(file)) == folder
    ]
    for file in singles:
        _read_single(found, file, folder, shared)
    code = _python_files(found, folder)
    if code or not singles:
        _read_app(found, folder, shared, azurecode.read_files(code))


def _read_app(found: reading.Reading, folder: str, shared: Shared, marks: list[azurecode.Mark]) -> None:
    name = posixpath.basename(folder) or found.root
    target = found.begin(posixpath.join(folder, HOST), text.Node("the app"), name, folder)
    _finish(target, shared, marks)


def _read_single(found: reading.Reading, file: str, folder: str, shared: Shared) -> None:
    """Read a function of model v1: its folder is its module, and what it is called."""
    name = posixpath.basename(posixpath.dirname(file))
    root = _parse(found, file)
    target = found.begin(file, text.Node(f"{name}/"), name, folder)
    script, entry = root["scriptFile"], root["entryPoint"]
    module = posixpath.basename(script.text or "__init__.py").removesuffix(".py")
    fill.handler(
        target,
        script or text.Node(f"{name}/"),
        name if module == "__init__" else f"{name}.{module}",
        entry.text or "main",
    )
    target.book.settle(entry)
    if root["disabled"].flag:
        target.book.drop(root["disabled"], "a Function that exists is served; deploy it when it is wanted")
    reading.settle(target.book, root, dict.fromkeys(("disabled", "$schema", "generatedBy"), ""))
    marks = [azurecode.Mark(name, one["type"].text, one) for one in root["bindings"].each()]
    _finish(target, shared, marks)
    target.book.sweep(root, reading.UNKNOWN)


def _finish(target: draft.Draft, shared: Shared, marks: list[azurecode.Mark]) -> None:
    """Read what holds for all functions of an app, then triggers and bindings."""
    _read_settings(target, shared.settings)
    if not target.find("runtime") and not target.blocked:
        target.fields["runtime"] = "python"
    if not target.blocked:
        target.fields["signature"] = "azure"
    host = reading.rebase(shared.host, f"{HOST}:")
    _read_host(target, host)
    prefix = host.at("extensions", "http", "routePrefix")
    given = "routePrefix" in (host.at("extensions", "http").fields or {})
    _read_marks(target, marks, prefix.text if given else _DEFAULT_PREFIX)


def _parse(found: reading.Reading, file: str) -> text.Node:
    documents = parsing.parse(file, found.files[file]) if file in found.files else []
    return documents[0].root if documents else text.Node("")


def _python_files(found: reading.Reading, folder: str) -> dict[str, bytes]:
    """Return function_app.py and its neighbours, where blueprints live, when it is there."""
    if posixpath.join(folder, "function_app.py") not in found.files:
        return {}
    inside = f"{folder}/" if folder else ""
    return {
        file.removeprefix(inside): data
        for file, data in found.files.items()
        if file.startswith(inside) and file.endswith(".py")
    }


def _read_host(target: draft.Draft, host: text.Node) -> None:
    if limit := host["functionTimeout"]:
        fill.timeout(target, limit, _span(limit.text))
    http = host.at("extensions", "http")
    if most := http["maxConcurrentRequests"]:
        if most.number == -1:
            target.put(most, "scaling.concurrency", 0)
        else:
            fill.count(target, most, "scaling.concurrency", low=1, high=1000)
    if http["routePrefix"]:
        target.book.replace(http["routePrefix"], "part of the paths below")
    reading.settle(target.book, http, {"maxOutstandingRequests": "calls wait at the gateway; see spec.scaling.burst"})
    reading.settle(target.book, host, _HOST_FATES)
    target.book.sweep(host, reading.UNKNOWN)


def _span(value: str) -> float | None:
    """Return the seconds of ``hh:mm:ss``, None for anything else; -1 means no limit there, and the most here."""
    if value == "-1":
        return float(86400)
    parts = value.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):  # noqa: PLR2004  (hours, minutes, seconds)
        return None
    hours, minutes, seconds = (int(part) for part in parts)
    return float(hours * 3600 + minutes * 60 + seconds)


def _read_settings(target: draft.Draft, root: text.Node) -> None:
    """Read names of settings; the values of that file are never looked at, as it is made for secrets."""
    settings = reading.rebase(root, f"{SETTINGS}:")
    for name, node in settings["Values"].pairs():
        if name == "FUNCTIONS_WORKER_RUNTIME":
            fill.runtime(target, node, node.text)
        elif name in _SETTING_FATES:
            target.book.replace(node, _SETTING_FATES[name])
        else:
            environment.hidden(target, node, name, "values of local.settings.json are not copied")
    for name, node in settings["ConnectionStrings"].pairs():
        environment.hidden(target, node, name, "values of local.settings.json are not copied")
    reading.settle(
        target.book, settings, {"IsEncrypted": "", "Host": "!set spec.http.cors for CORS; the port is given"}
    )
    for name in ("Values", "ConnectionStrings"):
        target.book.settle(settings[name])
    target.book.sweep(settings, reading.UNKNOWN)


def _read_marks(target: draft.Draft, marks: list[azurecode.Mark], prefix: str) -> None:
    default = next(
        (mark.node["authLevel"] for mark in marks if mark.kind in azurecode.MAKERS and mark.node["authLevel"]),
        text.Node(""),
    )
    apps = [mark for mark in marks if mark.kind in {"AsgiFunctionApp", "WsgiFunctionApp"}]
    routes = [mark for mark in marks if mark.kind == "httpTrigger"]
    locked = [mark for mark in [*routes, *apps] if (mark.node["authLevel"] or default).text.lower() != "anonymous"]
    if not routes and not apps:
        reach.hide(target)
    if locked:
        owner = naming.make_name(f"{target.name}-keys", 63)
        target.fields.setdefault("http", {})["auth"] = {"apiKey": {"secret": owner, "header": _KEY_HEADER}}
        target.need_secret(owner, "default")
    for mark in marks:
        _read_mark(target, mark, prefix, locked=bool(locked))
        target.book.sweep(mark.node, reading.UNKNOWN)


def _read_mark(target: draft.Draft, mark: azurecode.Mark, prefix: str, *, locked: bool) -> None:
    node = mark.node
    reading.settle(target.book, node, dict.fromkeys(("type", "direction", "name", "arg_name", "dataType"), ""))
    if level := node["authLevel"]:
        _read_level(target, level, locked=locked)
    if mark.kind in azurecode.MAKERS:
        reading.settle(target.book, node, dict.fromkeys(("app", "function_name"), ""))
    elif mark.kind == "httpTrigger":
        _read_route(target, mark, prefix)
    elif mark.kind == "timerTrigger":
        _read_timer(target, mark)
    elif mark.kind != "http":
        receives = mark.kind.lower().endswith("trigger") or mark.kind == "retry"
        target.book.drop(node, f"{text.cut(mark.kind)} {_NO_EVENTS if receives else _NO_OUTPUT}")


def _read_level(target: draft.Draft, level: text.Node, *, locked: bool) -> None:
    if level.text.lower() != "anonymous":
        how = (
            "one rule for the whole app, with keys from a Secret"
            if level.text.lower() == "function"
            else (f"{level.shown} is a key as well")
        )
        target.book.carry(level, "spec.http.auth", how)
    elif locked:
        target.book.drop(level, "another function of the app asks for a key, so this one does too; divide the app")
    else:
        target.book.carry(level, "spec.http (public)")


def _read_route(target: draft.Draft, mark: azurecode.Mark, prefix: str) -> None:
    route, methods = mark.node["route"], mark.node["methods"]
    path = "/" + "/".join(part.strip("/") for part in (prefix, route.text or mark.function) if part.strip("/"))
    fixed, brace, _ = path.partition("{")
    reach.route(
        target,
        route or mark.node,
        fixed.rstrip("/") or "/" if brace else path,
        exact=not brace,
        methods=reach.methods_of(methods),
    )
    target.book.settle(methods)
    reading.settle(target.book, mark.node, dict.fromkeys(("trigger_arg_name", "binding_arg_name", "webHookType"), ""))


def _read_timer(target: draft.Draft, mark: azurecode.Mark) -> None:
    node = mark.node["schedule"]
    if not node or node.text == azurecode.COMPUTED:
        target.book.drop(node or mark.node, "its schedule is computed; write five fields of cron(5) in spec.triggers")
    else:
        # The runtime makes a TimerRequest for functions of an app, not for those beside a function.json.
        how = "main gets an HttpRequest, no TimerRequest" if mark.node["type"] else ""
        occasions.schedule(target, node, cron.convert_ncrontab, name=mark.function, how=how)
    startup = mark.node["runOnStartup"] or mark.node["run_on_startup"]
    if startup.flag:
        target.book.drop(startup, "nothing is run at a start; call the function after deploying it")
    fates = ("runOnStartup", "run_on_startup", "useMonitor", "use_monitor")
    reading.settle(target.book, mark.node, dict.fromkeys(fates, ""))
