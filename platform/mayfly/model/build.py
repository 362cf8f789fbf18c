"""What the controller asks of the builder, and what the builder answers (JSON over HTTP)."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mayfly.model import labels


class Signature(StrEnum):
    """Calling convention of a handler; ``AUTO`` asks the builder to find out."""

    AUTO = "auto"
    HTTP = "http"
    CLOUDEVENT = "cloudevent"
    LAMBDA = "lambda"
    ASGI = "asgi"
    WSGI = "wsgi"
    TYPED = "typed"
    BACKGROUND = "background"


class BuildState(StrEnum):
    """Where a build is; the last two are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Answer(BaseModel):
    """A piece of an answer: fields that a newer builder adds are ignored, so the two may be updated in any order."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class InlineFiles(_Value):
    """Files carried in the request: path relative to the source root -> text."""

    files: dict[str, str]


class OciSource(_Value):
    """An uploaded archive: ``ref`` is ``host/repository@sha256:...`` of an OCI artifact."""

    ref: str


class BuildSource(_Value):
    """Where the builder finds the code: exactly one field is set."""

    inline: InlineFiles | None = None
    oci: OciSource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> BuildSource:
        if (self.inline is None) == (self.oci is None):
            raise ValueError("source: set exactly one of inline, oci")
        return self


class BuildRequest(_Value):
    """All that determines an image, apart from the builder's own environment."""

    namespace: str
    name: str
    source: BuildSource
    runtime: str = "python"
    handler: str | None = None
    signature: Signature = Signature.AUTO
    rebuild: str | None = None

    def digest(self) -> str:
        """Return the SHA-256 of the canonical request: equal digests mean equal requests."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class BuildStep(_Answer):
    """One step of a build with its duration; ``detail`` is a short remark such as ``cached`` or a size."""

    name: str
    seconds: float
    detail: str = ""


class BuildStatus(_Answer):
    """State of one build; ``image`` is set exactly when it succeeded, ``reason`` exactly when it failed."""

    state: BuildState
    fingerprint: str
    image: str | None = None
    runtime: str | None = None
    handler: str | None = None
    signature: Signature | None = None
    signature_reason: str = ""
    steps: tuple[BuildStep, ...] = ()
    reason: str | None = None
    message: str = ""
    temporary: bool = False
    log: tuple[str, ...] = Field(default=(), description="Last lines of the build log, oldest first.")
    cached: bool = False

    @property
    def final(self) -> bool:
        """Tell whether asking again cannot change the answer."""
        return self.state in {BuildState.SUCCEEDED, BuildState.FAILED}


IMAGE_LABELS = (labels.FINGERPRINT, labels.SIGNATURE, labels.HANDLER, labels.RUNTIME, labels.DEPENDENCIES)
"""Labels in a function image's config; with them a finished build is recognised from the registry alone."""
