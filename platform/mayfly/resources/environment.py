"""Environment variables of a function's container."""

from __future__ import annotations

from typing import Any

from mayfly.model import function
from mayfly.resources import owner as owners


def make_env(owner: owners.Owner, spec: function.FunctionSpec) -> list[dict[str, Any]]:
    """Return the platform's variables, then the author's in the author's order.

    The order is kept because Kubernetes expands ``$(NAME)`` in a value from the variables before it
    (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
    """
    ours = {
        "MAYFLY_FUNCTION": owner.name,
        "MAYFLY_NAMESPACE": owner.namespace,
        "MAYFLY_TIMEOUT_SECONDS": str(spec.timeout_seconds),
        "MAYFLY_CONCURRENCY": str(spec.scaling.concurrency),
    }
    platform = [{"name": name, "value": value} for name, value in ours.items()]
    return platform + [_make_variable(variable) for variable in spec.env]


def make_env_from(sources: tuple[function.EnvFrom, ...]) -> list[dict[str, Any]]:
    """Return ``envFrom`` entries; a later entry wins over an earlier one, so the order is kept."""
    return [_make_source(source) for source in sources]


def make_reference(reference: function.ObjectReference | function.KeyReference) -> dict[str, Any]:
    """Return a reference to a Secret or ConfigMap of the same namespace, ``optional`` only where it is true."""
    made: dict[str, Any] = {"name": reference.name}
    if isinstance(reference, function.KeyReference):
        made["key"] = reference.key
    return made | ({"optional": True} if reference.optional else {})


def _make_variable(variable: function.EnvVar) -> dict[str, Any]:
    source = variable.value_from
    if source is None:
        # Kubernetes drops an empty value, so an object that carries one would never equal the live one.
        return {"name": variable.name} | ({"value": variable.value} if variable.value else {})
    if source.secret_key_ref is not None:
        return {"name": variable.name, "valueFrom": {"secretKeyRef": make_reference(source.secret_key_ref)}}
    if source.config_map_key_ref is not None:
        return {"name": variable.name, "valueFrom": {"configMapKeyRef": make_reference(source.config_map_key_ref)}}
    return {"name": variable.name}


def _make_source(source: function.EnvFrom) -> dict[str, Any]:
    made: dict[str, Any] = {"prefix": source.prefix} if source.prefix else {}
    if source.secret_ref is not None:
        made["secretRef"] = make_reference(source.secret_ref)
    if source.config_map_ref is not None:
        made["configMapRef"] = make_reference(source.config_map_ref)
    return made
