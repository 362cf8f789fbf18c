"""The status of a Function: a vocabulary of named transitions.

Conditions, each with a CamelCase reason and a message that says what to do:

=========  ====================================================================
Built      the source has become an image (or needs no build)
Deployed   the newest revision's instances start
Routed     the gateway serves the Function's URL
Triggered  every one of its triggers is in force
Ready      all of the above; ``kubectl wait --for=condition=Ready`` watches it
=========  ====================================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from mayfly.model import build, part

Truth = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """The conditions a Function has, in the order in which they come true."""

    BUILT = "Built"
    DEPLOYED = "Deployed"
    ROUTED = "Routed"
    TRIGGERED = "Triggered"
    READY = "Ready"


STEPS = (ConditionType.BUILT, ConditionType.DEPLOYED, ConditionType.ROUTED, ConditionType.TRIGGERED)
"""What Ready sums up, in order: the first that is not True gives Ready its reason and message."""


class Condition(part.Part):
    """One condition, in the form of metav1.Condition."""

    type: str = Field(description="Built, Deployed, Routed, Triggered or Ready.", max_length=63)
    status: Truth = Field(description="True, False or Unknown.")
    reason: str = Field("", description="One CamelCase word for machines.", max_length=128)
    message: str = Field("", description="What happened and what to do, for people.", max_length=32768)
    last_transition_time: str = Field(
        "", description="When status last changed.", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that the condition speaks of.", json_schema_extra={"format": "int64"}
    )


class Address(part.Part):
    """Where the Function is reached from inside the cluster (Knative's Addressable)."""

    # Its form: https://github.com/knative/pkg/blob/main/apis/duck/v1/addressable_types.go. Knative reads it wherever a
    # source, a trigger or a binding refers to a Function; the chart's ClusterRole lets it.
    url: str | None = Field(None, description="URL inside the cluster.")


class BuildStepRecord(part.Part):
    """One step of the last build."""

    name: str = Field(description="Name of the step.")
    seconds: float = Field(description="How long it took.")
    detail: str = Field("", description="Short remark, such as cached.")


class BuildRecord(part.Part):
    """The last build."""

    request: str = Field("", description="Digest of all that was asked of the builder.")
    fingerprint: str = Field("", description="Digest of all that determines the image.")
    state: build.BuildState | None = Field(None, description="queued, running, succeeded or failed.")
    cached: bool = Field(False, description="The image existed already.")
    revision: str | None = Field(
        None, description="Commit of a git source, or checksum of an archive, that the build is of."
    )
    checked: str | None = Field(
        None,
        description="When it was last looked up which commit the branch or tag is.",
        json_schema_extra={"format": "date-time"},
    )
    steps: tuple[BuildStepRecord, ...] = Field((), description="Steps with their durations.")
    log: tuple[str, ...] = Field((), description="Last lines of the build log; kept when the build failed.")


class FunctionStatus(part.Part):
    """What a Function is at the moment."""

    observed_generation: int = Field(
        0, description="Generation of the spec that this status speaks of.", json_schema_extra={"format": "int64"}
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Built, Deployed, Routed, Triggered and their sum Ready.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    url: str | None = Field(None, description="URL through the gateway.")
    address: Address | None = Field(None, description="Address inside the cluster.")
    image: str | None = Field(None, description="Image that runs, by digest.")
    runtime: str | None = Field(None, description="Runtime that was chosen.")
    handler: str | None = Field(None, description="Handler that was chosen, as module:name.")
    signature: str | None = Field(None, description="Calling convention that was chosen.")
    signature_reason: str | None = Field(None, description="Why this calling convention was chosen.")
    revision: str | None = Field(None, description="Newest revision that is ready to serve.")
    replicas: int = Field(0, description="Instances of the newest revision that run.")
    triggers: int = Field(0, description="Triggers that are in force.")
    selector: str | None = Field(None, description="Label selector of the Function's pods, for the scale subresource.")
    build: BuildRecord | None = Field(None, description="The last build.")

    def get_condition(self, kind: ConditionType) -> Condition | None:
        """Return the condition of type ``kind``, ``None`` when it was never set."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def mark(
        self, kind: ConditionType, status: Truth, reason: str, message: str, *, now: str, generation: int
    ) -> FunctionStatus:
        """Return this status with one condition set; its transition time moves only when ``status`` changes."""
        before = self.get_condition(kind)
        since = before.last_transition_time if before and before.status == status else now
        after = Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=since,
            observed_generation=generation,
        )
        kept = {condition.type: condition for condition in self.conditions} | {str(kind): after}
        ordered = tuple(kept[name] for name in ConditionType if name in kept)
        return self.model_copy(update={"conditions": ordered})

    def summarise(self, *, now: str, generation: int) -> FunctionStatus:
        """Return this status with ``Ready`` derived from the other conditions."""
        for kind in STEPS:
            condition = self.get_condition(kind)
            if condition is None:
                return self.mark(ConditionType.READY, "Unknown", f"{kind}Unknown", "", now=now, generation=generation)
            if condition.status != "True":
                return self.mark(
                    ConditionType.READY,
                    condition.status,
                    condition.reason,
                    condition.message,
                    now=now,
                    generation=generation,
                )
        return self.mark(ConditionType.READY, "True", "Ready", "", now=now, generation=generation)

    def to_object(self) -> dict[str, object]:
        """Return the status as it is written to the cluster."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
