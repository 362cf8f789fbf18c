"""What calls a function of a SAM template, and what becomes of calls that fail."""

from __future__ import annotations

from typing import Any

from mayfly.migrate import cron, draft, fill, intrinsics, occasions, reach, reading, text

_SCHEDULES = frozenset({"Schedule", "ScheduleV2"})
_RULES = frozenset({"EventBridgeRule", "CloudWatchEvent"})
_APIS = {"Api": "RestApiId", "HttpApi": "ApiId"}
_SOURCES = {
    "S3": "dev.knative.eventing.aws-s3",
    "SQS": "dev.knative.eventing.aws-sqs",
    "DynamoDB": "dev.knative.eventing.aws-ddb-streams",
}
"""Types of the events of Knative's IntegrationSource (https://knative.dev/docs/eventing/sources/integration-source/)."""
_AGE = (60, 21_600)


def read(target: draft.Draft, merged: text.Node, scope: intrinsics.Scope) -> None:
    """Read events, function URL, dead letters and asynchronous delivery."""
    opened = _read_url(target, merged["FunctionUrlConfig"])
    named = list(merged["Events"].pairs())
    if not opened and not any(node["Type"].text in _APIS for _, node in named):
        reach.hide(target)
    locks = [_find_lock(node, scope) for _, node in named if node["Type"].text in _APIS]
    for lock in filter(None, locks):
        reach.protect(target, lock, "API Gateway asked callers for a proof")
    for name, node in named:
        _read_event(target, name, node, scope)
        target.book.settle(node["Type"])
        target.book.sweep(node, reading.UNKNOWN)
    _read_delivery(target, merged["EventInvokeConfig"], scope)
    if queue := merged["DeadLetterQueue"]:
        target.book.replace(
            queue, "the platform keeps dead letters: mayfly dlq list; spec.delivery.deadLetter for more"
        )


def _read_url(target: draft.Draft, config: text.Node) -> bool:
    """Return whether there is a function URL."""
    if not config:
        return False
    kind = config["AuthType"]
    if kind.text != "NONE":
        reach.protect(target, kind or config, "AWS_IAM asked callers for a proof")
    else:
        target.book.carry(kind, "spec.http (public)")
    if config["Cors"]:
        target.book.drop(config["Cors"], "write it as spec.http.cors")
    if config["InvokeMode"]:
        target.book.replace(config["InvokeMode"], "answers are streamed when the code streams")
    return True


def _find_lock(node: text.Node, scope: intrinsics.Scope) -> text.Node:
    """Return the node by which an API wants callers to prove who they are; one that is false where none does."""
    properties = node["Properties"]
    own = properties["Auth"]
    if own["Authorizer"].text == "NONE":
        return text.Node("")
    kind = node["Type"].text
    api = intrinsics.refers_to(properties[_APIS[kind]])
    named = scope.root.at("Resources", api, "Properties", "Auth") if api else own
    for place in (own, named, scope.root.at("Globals", kind, "Auth")):
        for name in ("Authorizer", "DefaultAuthorizer", "ApiKeyRequired", "InvokeRole", "ResourcePolicy"):
            if place[name] and place[name].text.lower() not in {"none", "false"}:
                return place[name]
    return text.Node("")


def _read_event(target: draft.Draft, name: str, node: text.Node, scope: intrinsics.Scope) -> None:
    kind, properties = node["Type"].text, node["Properties"]
    if kind in _APIS:
        _read_route(target, node, scope)
    elif kind in _SCHEDULES:
        _read_schedule(target, name, properties, scope)
    elif kind in _RULES:
        _read_rule(target, name, node)
    else:
        source = f" of type {_SOURCES[kind]} (Knative's IntegrationSource makes them)" if kind in _SOURCES else ""
        target.book.drop(
            node, f"{text.cut(kind)} does not reach the cluster; send CloudEvents{source} and add it to spec.triggers"
        )


def _read_route(target: draft.Draft, node: text.Node, scope: intrinsics.Scope) -> None:
    properties = node["Properties"]
    path, method = properties["Path"], properties["Method"]
    domain = _find_domain(node, scope)
    if domain and not target.find("http.hosts"):
        try:
            name = intrinsics.resolve(domain, scope.parameters)
            reach.host(target, name, name.text)
        except intrinsics.Unresolved as error:
            target.book.drop(domain, f"{error}; set spec.http.hosts")
    fixed, brace, _ = path.text.partition("{")
    plain = fixed.rstrip("/") or "/" if brace else path.text
    how = "with everything below it: the code finds pathParameters empty, the path in rawPath" if brace else ""
    shown = path or node
    reach.route(target, shown, plain or "/", exact=bool(path) and not brace, methods=reach.methods_of(method), how=how)
    target.book.settle(method)
    authorizer = properties.at("Auth", "Authorizer")
    if authorizer.text == "NONE":
        target.book.carry(authorizer, "spec.http (public)")
    reading.settle(
        target.book,
        properties,
        dict.fromkeys(("RestApiId", "ApiId", "PayloadFormatVersion"), "one host for all of its paths"),
    )


def _find_domain(node: text.Node, scope: intrinsics.Scope) -> text.Node:
    kind = node["Type"].text
    api = intrinsics.refers_to(node["Properties"][_APIS[kind]])
    own = scope.root.at("Resources", api, "Properties", "Domain", "DomainName") if api else text.Node("")
    return own or scope.root.at("Globals", kind, "Domain", "DomainName")


def _read_schedule(target: draft.Draft, name: str, properties: text.Node, scope: intrinsics.Scope) -> None:
    node = properties["Schedule"] or properties["ScheduleExpression"]
    enabled, state = properties["Enabled"], properties["State"]
    if enabled.text.lower() == "false" or state.text.upper() == "DISABLED":
        target.book.replace(node, "it is switched off; add it to spec.triggers when it is wanted")
    else:
        try:
            zone = intrinsics.resolve(properties["ScheduleExpressionTimezone"], scope.parameters).text
            plain = intrinsics.resolve(node, scope.parameters)
            occasions.schedule(target, plain, lambda text_: cron.convert_aws(text_, zone or None), name=name)
        except intrinsics.Unresolved as error:
            target.book.drop(node, str(error))
    if properties["Input"]:
        target.book.drop(properties["Input"], "ticks carry no data of the author's; put it into spec.env")
    rest = ("Name", "Description", "Enabled", "State", "ScheduleExpressionTimezone")
    reading.settle(target.book, properties, dict.fromkeys(rest, ""))
    reading.settle(
        target.book,
        properties,
        {
            "RetryPolicy": "spec.delivery says how often all of its events are tried",
            "DeadLetterConfig": "the platform keeps dead letters: mayfly dlq list",
        },
    )


def _read_rule(target: draft.Draft, name: str, node: text.Node) -> None:
    """Read an EventBridge pattern: the detail type is the type of the event, each combination a trigger."""
    pattern = node.at("Properties", "Pattern")
    unknown = [key for key, _ in pattern.pairs() if key not in {"source", "detail-type"}]
    parts = [pattern[key].each() for key in ("detail-type", "source")]
    if unknown or not any(parts) or not all(one.is_scalar for part in parts for one in part):
        why = f"conditions on {', '.join(text.cut(key) for key in unknown[:5])}" if unknown else "its conditions"
        target.book.drop(pattern or node, f"{why} have no counterpart here; write filters in spec.triggers")
        return
    how = "the detail type is the event's type; forward the events from EventBridge as CloudEvents"
    for kind in parts[0] or (None,):
        for source in parts[1] or (None,):
            content: dict[str, Any] = {"type": kind and kind.text, "source": source and source.text}
            occasions.event(target, pattern, content, name=name, how=how)


def _read_delivery(target: draft.Draft, config: text.Node, scope: intrinsics.Scope) -> None:
    if tries := config["MaximumRetryAttempts"]:
        fill.count(target, tries, "delivery.retries", low=0, high=100)
    if age := config["MaximumEventAgeInSeconds"]:
        seconds = age.number
        if seconds is None or not _AGE[0] <= seconds <= _AGE[1]:
            target.book.drop(age, f"{age.shown} is not from 60 to 21600; set spec.delivery.maxAge")
        else:
            target.put(age, "delivery.maxAge", f"{seconds}s")
    for theirs, ours in {"OnSuccess": "onSuccess", "OnFailure": "onFailure"}.items():
        node = config.at("DestinationConfig", theirs)
        if not node:
            continue
        name = scope.names.get(intrinsics.refers_to(node["Destination"]), "")
        if name:
            target.put(node, f"delivery.{ours}", {"function": name})
        else:
            target.book.drop(
                node, f"not a function of this template; set spec.delivery.{ours} to a function, event or url"
            )
