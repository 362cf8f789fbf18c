"""What the cluster holds about one Function at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pydantic

from mayfly import errors
from mayfly.model import function, labels, status
from mayfly.resources import owner

Object = dict[str, Any]

REVISION_LABEL = "serving.knative.dev/revision"


@dataclass(frozen=True)
class Observation:
    """A Function and what exists because of it.

    ``service`` is ``None`` when there is no Knative Service yet, ``ingress`` when Knative has made none of it.
    """

    manifest: Object
    service: Object | None = None
    ingress: Object | None = None
    pods: tuple[Object, ...] = ()

    @cached_property
    def owned_by(self) -> owner.Owner:
        """The Function as the owner of what is made for it."""
        return owner.owner_of(self.manifest)

    @property
    def generation(self) -> int:
        """Generation of the spec."""
        return int(self.manifest["metadata"].get("generation", 0))

    @property
    def resource_version(self) -> str:
        """Version of the Function that was seen; a write made from it is refused once there is a newer one."""
        return str(self.manifest["metadata"]["resourceVersion"])

    @property
    def at_rest(self) -> bool:
        """Tell whether the Function wants to be left alone: it is paused or on its way out."""
        return self._annotation(labels.PAUSED) == "true" or "deletionTimestamp" in self.manifest["metadata"]

    @property
    def controller(self) -> str:
        """Name of the controller that takes care of the Function, empty for the usual one."""
        return self._annotation(labels.CONTROLLER) or ""

    @property
    def rebuild(self) -> str | None:
        """Value of the annotation that asks for a build although nothing changed."""
        return self._annotation(labels.REBUILD)

    @cached_property
    def before(self) -> status.FunctionStatus:
        """The status as it is now; an unreadable one counts as none, because it is going to be written anew."""
        try:
            return status.FunctionStatus.model_validate(self.manifest.get("status") or {})
        except pydantic.ValidationError:
            return status.FunctionStatus()

    def parse_spec(self) -> function.FunctionSpec:
        """Return the spec.

        Raises:
            SpecError: it was stored before a rule that it breaks; the text names field and rule.
        """
        try:
            return function.FunctionSpec.model_validate(self.manifest.get("spec") or {})
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(str(part) for part in ("spec", *first["loc"]))
            raise errors.SpecError(f"{path}: {first['msg']}") from error

    def _annotation(self, name: str) -> str | None:
        return (self.manifest["metadata"].get("annotations") or {}).get(name)

    def pods_of(self, revision: str) -> tuple[Object, ...]:
        """Return the pods of ``revision`` that are not on their way out."""
        return tuple(
            pod
            for pod in self.pods
            if (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) == revision
            and pod["metadata"].get("deletionTimestamp") is None
        )


def find_condition(obj: Object | None, kind: str) -> Object:
    """Return the condition ``kind`` of any Kubernetes object, an empty one when it has none."""
    conditions = ((obj or {}).get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def is_current(obj: Object) -> bool:
    """Tell whether the status of ``obj`` speaks of its present spec."""
    return bool((obj.get("status") or {}).get("observedGeneration") == obj["metadata"].get("generation"))
