"""What the controller asks of the builder, and what the builder answers (JSON over HTTP)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

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
    KNATIVE = "knative"
    OPENFAAS = "openfaas"
    AZURE = "azure"
    FISSION = "fission"
    NUCLIO = "nuclio"
    OPENWHISK = "openwhisk"


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


_COMMIT = re.compile(r"[0-9a-f]{40}")


class GitSource(_Value):
    """A folder of a git repository; ``secret`` names what the credentials were read from, for messages."""

    url: str
    revision: str = "HEAD"
    path: str | None = None
    secret: str | None = None

    @property
    def moving(self) -> bool:
        """Tell whether the revision may be another commit tomorrow: it is no commit in full."""
        return not _COMMIT.fullmatch(self.revision)


class ArchiveSource(_Value):
    """An archive at a URL, known by its SHA-256 in hex; ``secret`` as in ``GitSource``."""

    url: str
    sha256: str
    path: str | None = None
    secret: str | None = None


class BuildSource(_Value):
    """Where the builder finds the code: exactly one field is set."""

    inline: InlineFiles | None = None
    oci: OciSource | None = None
    git: GitSource | None = None
    archive: ArchiveSource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> BuildSource:
        if sum(one is not None for one in (self.inline, self.oci, self.git, self.archive)) != 1:
            raise ValueError("source: set exactly one of inline, oci, git, archive")
        return self

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the kinds that came later: a builder from before refuses them, and digests stay what they were."""
        found: dict[str, Any] = handler(self)
        return {name: value for name, value in found.items() if value is not None or name in {"inline", "oci"}}

    @property
    def moving(self) -> bool:
        """Tell whether the same source may be other files tomorrow."""
        return self.git is not None and self.git.moving

    @property
    def revision(self) -> str | None:
        """The commit or checksum that the source is pinned to, ``None`` while it is not, or is named otherwise."""
        if self.git is not None:
            return None if self.git.moving else self.git.revision
        return self.archive.sha256 if self.archive is not None else None

    @property
    def url(self) -> str | None:
        """Where the source lies outside, ``None`` for one that the platform keeps."""
        outside = self.git or self.archive
        return outside.url if outside is not None else None


class Credentials(_Value):
    """What a source's host asks for: user and password, or a header (``NAME: VALUE``). Never printed or kept."""

    username: SecretStr | None = None
    password: SecretStr | None = None
    header: SecretStr | None = None

    def reveal(self) -> dict[str, str]:
        """Return the values themselves, for the one request that carries them."""
        return {name: value.get_secret_value() for name, value in self if value is not None}


class BuildRequest(_Value):
    """All that determines an image, apart from the builder's own environment.

    Two fields do not: ``look`` has a new value when the builder is to look again where a branch stands, and
    ``credentials`` open the door of the source's host.
    """

    namespace: str
    name: str
    source: BuildSource
    runtime: str = "python"
    handler: str | None = None
    signature: Signature = Signature.AUTO
    rebuild: str | None = None
    look: str | None = None
    credentials: Credentials | None = Field(default=None, exclude=True, repr=False)

    def digest(self) -> str:
        """Return the SHA-256 of the canonical request: equal digests mean equal requests."""
        return hashlib.sha256(self.model_dump_json(exclude={"look"}).encode()).hexdigest()

    def to_wire(self) -> Mapping[str, Any]:
        """Return the request as it is sent to the builder, with the credentials; for nothing else."""
        document = self.model_dump(mode="json", exclude={"look"} if self.look is None else set())
        return document if self.credentials is None else document | {"credentials": self.credentials.reveal()}

    def pin(self, commit: str) -> BuildRequest:
        """Return the request for ``commit`` of a git source, whatever its branch does meanwhile."""
        if self.source.git is None:
            return self
        git = self.source.git.model_copy(update={"revision": commit})
        return self.model_copy(update={"source": BuildSource(git=git), "look": None})


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
    revision: str | None = None
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
