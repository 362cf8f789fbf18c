"""The Knative Service of a Function (https://knative.dev/docs/serving/reference/serving-api/).

Only fields that Knative Serving 1.23 takes with its default feature flags (``config-features``) are used: no pod-level
security context, no init containers; ``emptyDir`` and container security contexts are allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mayfly.model import exposure, function, labels, names, quantity
from mayfly.resources import autoscaling, compare, environment, owner, volumes

API_VERSION = "serving.knative.dev/v1"
CONTAINER = "user-container"
"""Knative's default container name; written out so that the webhook has nothing to add."""
PORT = 8080
READY_PATH = "/healthz/ready"
"""Answered by the runtime with 200 once the handler is loaded."""
USER = 65532
"""``nonroot``, the user of every image that Mayfly builds."""
SLACK_SECONDS = 10
"""What Knative waits beyond ``spec.timeout``, so that the runtime's answer, which names the limit, comes first.
Knative's activator counts from before there is an instance; with equal limits a cold start would be taken from the
function's time."""
LONGEST_SECONDS = 600
"""Knative's ``max-revision-timeout-seconds`` unless an operator changes it (serving ``config/core/configmaps``)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the installation adds to every Service; ``image_pull_secret`` is empty when none is needed."""

    ingress_class: str = names.INGRESS_CLASS
    image_pull_secret: str = ""


def make_service(
    owned_by: owner.Owner, spec: function.FunctionSpec, *, image: str, options: Options | None = None
) -> dict[str, Any]:
    """Return the Knative Service that runs ``image`` for a Function; the same for creating and for updating.

    ``image`` is by digest for a built Function and as the author wrote it for ``source.image``; Knative resolves
    the latter once per revision. The template depends on spec and image alone, so a change of anything else makes no
    revision. The digest of the object is in the annotation ``mayfly.dev/applied``.
    """
    options = options or Options()
    own_labels = labels.make_labels(owned_by.name)
    made = {
        "apiVersion": API_VERSION,
        "kind": "Service",
        "metadata": {
            "name": owned_by.name,
            "namespace": owned_by.namespace,
            "labels": own_labels | _make_visibility(spec.http.visibility),
            "annotations": {
                names.INGRESS_CLASS_ANNOTATION: options.ingress_class,
                exposure.ANNOTATION: make_exposure(spec).to_json(),
            },
            "ownerReferences": [owner.make_owner_reference(owned_by)],
        },
        "spec": {
            "template": {
                "metadata": {
                    "labels": own_labels,
                    "annotations": autoscaling.make_autoscaling_annotations(spec.scaling),
                },
                "spec": _make_revision_spec(owned_by, spec, image=image, options=options),
            },
            # Owned, so that traffic pinned by hand comes back to the newest revision.
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
    }
    return compare.stamp(made)


def make_exposure(spec: function.FunctionSpec) -> exposure.Exposure:
    """Return what the gateway must know of a Function; Knative hands the annotation down to the ingress."""
    return exposure.Exposure(http=spec.http, timeout_seconds=spec.timeout_seconds)


def _make_visibility(visibility: exposure.Visibility) -> dict[str, str]:
    return {} if visibility == exposure.Visibility.PUBLIC else {names.VISIBILITY_LABEL: str(visibility)}


def _make_revision_spec(
    owned_by: owner.Owner, spec: function.FunctionSpec, *, image: str, options: Options
) -> dict[str, Any]:
    built = spec.source.image is None
    timeout = min(math.ceil(spec.timeout_seconds) + (SLACK_SECONDS if built else 0), LONGEST_SECONDS)
    mounted = volumes.make_volumes(spec.volumes, scratch=built)
    secrets = [{"name": options.image_pull_secret}] if options.image_pull_secret else []
    return {
        "containerConcurrency": spec.scaling.concurrency,
        # The cluster's defaults for the two others could cut a request shorter.
        "timeoutSeconds": timeout,
        "responseStartTimeoutSeconds": timeout,
        "idleTimeoutSeconds": timeout,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "containers": [_make_container(owned_by, spec, image=image, built=built, mounts=mounted.mounts)],
        **_present(volumes=mounted.volumes, imagePullSecrets=secrets),
    }


def _make_container(
    owned_by: owner.Owner, spec: function.FunctionSpec, *, image: str, built: bool, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    memory = quantity.canonical(spec.resources.memory)
    return {
        "name": CONTAINER,
        "image": image,
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "env": environment.make_env(owned_by, spec),
        "resources": {
            "requests": {"cpu": quantity.canonical(spec.resources.cpu), "memory": memory},
            "limits": {"memory": memory},
        },
        "readinessProbe": _make_probe(built=built),
        "securityContext": _make_security_context(built=built),
        # Without a message of its own a crash is explained by the last lines of the log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_present(envFrom=environment.make_env_from(spec.env_from), volumeMounts=mounts),
    }


def _make_probe(*, built: bool) -> dict[str, Any]:
    """Return the readiness probe: the runtime's own, or a connection for an image that is not ours.

    Without ``periodSeconds`` Knative's queue-proxy probes many times a second while the instance starts.
    """
    check = {"httpGet": {"path": READY_PATH, "port": PORT}} if built else {"tcpSocket": {"port": PORT}}
    return check | {"successThreshold": 1}


def _make_security_context(*, built: bool) -> dict[str, Any]:
    """Return what Pod Security Standards ``restricted`` demand of a container, and more for images that are ours.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted. An image of the author's keeps
    its own user, which may not be root, and its writable root filesystem.
    """
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return restricted | ({"readOnlyRootFilesystem": True, "runAsUser": USER, "runAsGroup": USER} if built else {})


def _present(**fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields that are not empty: the API server drops empty lists."""
    return {name: value for name, value in fields.items() if value}
