"""Why does a revision not start? The pods tell within seconds what Knative tells at its deadline. Pure.

Each rule looks at one pod and returns a verdict or ``None``; the first that speaks decides. Texts hold nothing that
differs from try to try (counts, times), so that a crash loop does not become a loop of status writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mayfly.model import function
from mayfly.reconcile import observe, verdicts
from mayfly.resources import service, volumes

PATIENCE_SECONDS = 10.0
"""How long a process may run without answering the readiness probe before the status mentions it."""
MOUNT_PATIENCE_SECONDS = 3.0
"""How long a pod may be without containers before its Events are asked why."""
TEXT_LINES = 20
TEXT_CHARACTERS = 2000
"""What a message keeps of a traceback or of another's text: the end of it."""
EXIT_NO_HANDLER = 3
"""Exit code of the runtime when the handler is missing or cannot be called."""

_PULL = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ImageInspectError",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}
"""Reasons of a waiting container: https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/images/types.go."""
_PASSING = re.compile(
    r'^Back-off pulling image "[^"]*":\s*(\w+:\s*)?'  # the kubelet between two tries
    r"|rpc error: code = \w+ desc = "  # how it talks to containerd
    r"| \(pod: .*\)$"  # which pod it was
)
_POD_NAME = re.compile(r'pods "[^"]*" is forbidden')
_NO_MODULE = re.compile(r"No module named '([^'.]+)")
_ADVICE = "to requirements.txt"
"""How the runtime ends what it says of a missing module."""
_NO_MEMORY = "unable to set memory limit"
"""What runc says when not even its own start fits."""
_NO_REGISTRY = re.compile(r"dial tcp|i/o timeout|no such host|connection re|TLS handshake|x509|: (?:EOF|5\d\d )")
"""How Go's HTTP client says that nobody answered, against a registry's own refusal."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules may know beside the pod; ``events`` are the messages of its warning Events, newest last."""

    spec: function.FunctionSpec
    image: str
    now: datetime
    events: tuple[str, ...] = ()


Rule = Callable[[Mapping[str, Any], Context], verdicts.Verdict | None]


def diagnose_pods(pods: Sequence[Mapping[str, Any]], context: Context) -> verdicts.Verdict | None:
    """Return what keeps ``pods`` of one revision from serving, ``None`` when one serves or nothing is known."""
    if any(is_ready(pod) for pod in pods):
        return None
    found = (rule(pod, context) for rule in RULES for pod in pods)
    return next((verdict for verdict in found if verdict is not None), None)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod serves."""
    return bool(observe.find_condition(dict(pod), "Ready").get("status") == "True")


def awaits_mount(pod: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a pod has waited so long for its containers that only its Events can say why."""
    waiting = _container(pod).get("state", {}).get("waiting") or {}
    scheduled = observe.find_condition(dict(pod), "PodScheduled")
    if waiting.get("reason") not in {"ContainerCreating", "PodInitializing"} or scheduled.get("status") != "True":
        return False
    return _seconds_since(scheduled.get("lastTransitionTime"), now) >= MOUNT_PATIENCE_SECONDS


def shorten(text: str) -> str:
    """Return the end of ``text``, where a traceback says what happened."""
    lines = "\n".join(text.strip().splitlines()[-TEXT_LINES:])
    return lines[-TEXT_CHARACTERS:]


def _container(pod: Mapping[str, Any]) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((status for status in statuses if status.get("name") == service.CONTAINER), {})


def _waiting(pod: Mapping[str, Any]) -> tuple[str, str]:
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    return waiting.get("reason", ""), waiting.get("message", "")


def _terminated(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the container ended, now or before its last restart."""
    container = _container(pod)
    for state in ("state", "lastState"):
        if ended := (container.get(state) or {}).get("terminated"):
            return dict(ended)
    return {}


def _seconds_since(moment: str | None, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds() if moment else 0.0


def _unschedulable(pod: Mapping[str, Any], context: Context) -> verdicts.Verdict | None:
    condition = observe.find_condition(dict(pod), "PodScheduled")
    if condition.get("status") != "False":
        return None
    return explain_unschedulable(condition.get("message", ""), context.spec)


def explain_unschedulable(message: str, spec: function.FunctionSpec) -> verdicts.Verdict:
    """Say that no node has room."""
    asked = f"spec.resources asks for cpu {spec.resources.cpu} and memory {spec.resources.memory}"
    return verdicts.Verdict(
        "False", "Unschedulable", f"no node takes the pod: {shorten(message)} {asked}; ask for less or add a node"
    )


def _image_pull(pod: Mapping[str, Any], context: Context) -> verdicts.Verdict | None:
    reason, message = _waiting(pod)
    if reason not in _PULL:
        return None
    return verdicts.Verdict(
        "False",
        "ImagePullFailed",
        f"image {context.image} cannot be pulled: {shorten(_PASSING.sub('', message)) or reason}."
        " Check that it exists, that its registry can be reached and that the node may read it",
    )


_UNREAD = re.compile(r"failed to sync (secret|configmap) cache: timed out")
"""The kubelet has not read the object yet, which tells nothing of whether it is there; it tries again within seconds
(kubernetes ``pkg/kubelet/util/manager/watch_based_manager.go``)."""


def _configuration(pod: Mapping[str, Any], _: Context) -> verdicts.Verdict | None:
    reason, message = _waiting(pod)
    if reason not in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
        return None
    if _UNREAD.search(message):
        return None
    if "runAsNonRoot" in message or "non-numeric user" in message:
        return verdicts.Verdict(
            "False",
            "ImageRunsAsRoot",
            f"{shorten(_PASSING.sub('', message))}."
            " Functions never run as root: give the image a USER with a number above 0",
        )
    return verdicts.Verdict(
        "False",
        "ContainerRefused",
        f"the container cannot be made: {shorten(message)}."
        " Create what spec.env or spec.envFrom names in the Function's namespace, or mark it optional: true",
    )


def _mount(pod: Mapping[str, Any], context: Context) -> verdicts.Verdict | None:
    if not context.events or not awaits_mount(pod, context.now):
        return None
    text = shorten(context.events[-1])
    for volume in context.spec.volumes:
        text = text.replace(f'volume "{volumes.make_name(volume.path)}"', f"the volume at {volume.path}")
    return verdicts.Verdict(
        "False",
        "MountFailed",
        f"{text}. Create what spec.volumes names in the Function's namespace, or mark it optional: true",
    )


def _out_of_memory(pod: Mapping[str, Any], context: Context) -> verdicts.Verdict | None:
    ended = _terminated(pod)
    if ended.get("reason") != "OOMKilled" and _NO_MEMORY not in ended.get("message", "") + _waiting(pod)[1]:
        return None
    return verdicts.Verdict(
        "False",
        "OutOfMemory",
        f"the process needed more than spec.resources.memory ({context.spec.resources.memory}) and was killed;"
        " raise it",
    )


def _crash(pod: Mapping[str, Any], _: Context) -> verdicts.Verdict | None:
    ended = _terminated(pod)
    return explain_exit(int(ended.get("exitCode", 0)), ended.get("message", "")) if ended else None


def explain_exit(code: int, message: str) -> verdicts.Verdict:
    """Say that the process ended although it should serve; ``message`` is what it left, such as a traceback."""
    text = shorten(message)
    if code == EXIT_NO_HANDLER:
        return verdicts.Verdict("False", "HandlerNotFound", text or "the handler is missing or cannot be called")
    if code == 0:
        return verdicts.Verdict(
            "False", "Exited", f"the process ended by itself; it must serve HTTP on port {service.PORT}. {text}".strip()
        )
    told = f"the process ended with exit code {code} before it was ready"
    if (missing := _NO_MODULE.search(text)) and _ADVICE not in text:
        told += f"; module {missing[1]!r} is not installed: add what provides it to requirements.txt"
    return verdicts.Verdict("False", "CrashedAtStart", f"{told}\n{text}" if text else told)


def _not_answering(pod: Mapping[str, Any], context: Context) -> verdicts.Verdict | None:
    running = (_container(pod).get("state") or {}).get("running") or {}
    lasted = _seconds_since(running.get("startedAt"), context.now)
    if lasted < PATIENCE_SECONDS:
        return None
    asked = f"GET {service.READY_PATH}" if context.spec.source.image is None else "connections"
    return verdicts.Verdict(
        "Unknown",
        "NotAnswering",
        f"the process runs but does not answer {asked} on port {service.PORT} yet: a slow import, or too little"
        f" spec.resources.cpu ({context.spec.resources.cpu})? `mayfly logs` shows what it does",
    )


def _evicted(pod: Mapping[str, Any], _: Context) -> verdicts.Verdict | None:
    told = pod.get("status") or {}
    if told.get("phase") != "Failed" or not told.get("reason"):
        return None
    return verdicts.Verdict("False", str(told["reason"]), shorten(str(told.get("message", ""))))


RULES: tuple[Rule, ...] = (
    _unschedulable,
    _image_pull,
    _out_of_memory,
    _configuration,
    _mount,
    _crash,
    _evicted,
    _not_answering,
)
"""In order of certainty."""


def diagnose_revision(revision: Mapping[str, Any] | None, context: Context) -> verdicts.Verdict | None:
    """Return why Knative holds ``revision`` for failed, ``None`` when it does not."""
    ready = observe.find_condition(dict(revision) if revision else None, "Ready")
    if ready.get("status") != "False":
        return None
    return explain_failure(ready.get("reason", ""), ready.get("message", ""), context)


def explain_failure(reason: str, message: str, context: Context) -> verdicts.Verdict:
    """Return Knative's ``reason`` and ``message`` of a failed revision with what to do about it."""
    text = shorten(message)
    if code := re.fullmatch(r"ExitCode(\d+)", reason):
        return explain_exit(int(code[1]), message.removeprefix("Container failed with: "))
    if reason == "Unschedulable":
        return explain_unschedulable(message, context.spec)
    if reason == "FailedCreate":
        return _explain_refused_pods(text)
    if reason == "ContainerMissing":
        return _explain_unresolved_image(text, context.image)
    if reason == "ProgressDeadlineExceeded":
        return verdicts.Verdict("False", reason, f"no instance became ready in time. {text} `mayfly logs` may say why")
    return verdicts.Verdict("False", reason or "RevisionFailed", text)


def _explain_unresolved_image(text: str, image: str) -> verdicts.Verdict:
    if _NO_REGISTRY.search(text):
        return verdicts.Verdict(
            "False",
            "RegistryUnavailable",
            f"{text}. Check the registry's name in {image}, and that the cluster reaches it",
        )
    return verdicts.Verdict("False", "ImageNotFound", f"{text}. Push image {image} or correct spec.source.image")


def _explain_refused_pods(text: str) -> verdicts.Verdict:
    text = _POD_NAME.sub("pods are forbidden", text)  # each try has a name of its own
    if "must specify" in text:
        return verdicts.Verdict(
            "False", "QuotaExceeded", f"{text}. Give the namespace a LimitRange with defaults for what is lacking"
        )
    if "exceeded quota" in text or "failed quota" in text:
        return verdicts.Verdict(
            "False", "QuotaExceeded", f"{text}. Lower spec.resources or spec.scaling.min, or raise the quota"
        )
    return verdicts.Verdict("False", "PodsRefused", f"the namespace does not admit the pods: {text}")
