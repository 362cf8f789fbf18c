"""The error tree.

::

    MayflyError            reason, temporary
      SpecError            the manifest is wrong; its author can fix it
        InvalidName
        InvalidSource
        UnknownRuntime
        InvalidFilter        a trigger's filter does not parse, or asks for too much
        InvalidSchedule      a cron expression or time zone that means nothing
      InvalidEvent         a request is not the CloudEvent it should be; its sender can fix it
        EventTooLarge
        UnsupportedEvent     another format, character set or version than this platform reads
      InvalidQuestion      a question about invocations breaks a rule of the interface; who asks can fix it
      WrongState           an invocation does not stand where it can be cancelled, redriven or replayed
      EventingUnavailable  the process that keeps invocations does not answer; temporary
      BuildError           the source is wrong; permanent until it changes
        SourceError          unreadable, unsafe or too large
          SourceUnavailable    its host does not answer, or its Secret is not there; temporary
        HandlerError         no handler, several, or not callable
        SyntaxProblem        a file does not parse
        DependencyError      cannot be resolved or installed
        BuildTimeout         took longer than the builder allows
      RegistryError        status and codes of the registry; temporary on 408, 429, 500, 502, 503, 504
        InvalidImage         what is kept there is not what it should be
        InvalidCredentials   the Docker config cannot be used
      BuilderUnavailable   the builder cannot be reached or is full; temporary
      ClusterError         the Kubernetes API refused
        NotFound Conflict Forbidden Unauthorized Invalid
        Throttled Unreachable  temporary
      GatewayError         a route cannot be programmed
        InvalidRoute
      StoreError           the store of invocations cannot do its work
        StoreUnavailable     not reachable, full, or it could not sync; temporary
        StoreCorrupt         what is on the disk is not what was written there
        SchemaTooNew         a later version of Mayfly has changed the store

``reason`` is CamelCase and becomes a condition's reason; the text names the offending value, the rule and the fix.
``temporary`` says whether trying again without a change can help. Foreign exceptions stop at the edge rooms
(``raise ... from``) and never reach a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

TEMPORARY_REGISTRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP answers of a registry that a later try can turn into success."""


class MayflyError(Exception):
    """Say what went wrong, in words meant for the person who can mend it."""

    reason: ClassVar[str] = "InternalError"
    temporary: bool = False


class SpecError(MayflyError):
    """A manifest breaks a rule that the schema could not express."""

    reason = "InvalidSpec"


class InvalidName(SpecError):
    """A name or an image reference does not have the form it must have."""

    reason = "InvalidName"


class InvalidSource(SpecError):
    """A source does not say where the code is."""

    reason = "InvalidSource"


class UnknownRuntime(SpecError):
    """A runtime is not among those this installation offers."""

    reason = "UnknownRuntime"


class InvalidFilter(SpecError):
    """A trigger's filter does not parse; the text names the position and the rule."""

    reason = "InvalidFilter"


class InvalidSchedule(SpecError):
    """A cron expression or its time zone means nothing, or means no instant at all."""

    reason = "InvalidSchedule"


class InvalidEvent(MayflyError):
    """A request breaks a rule of CloudEvents; the text names the attribute, its value and the rule."""

    reason = "InvalidEvent"


class EventTooLarge(InvalidEvent):
    """An event, one of its attributes or a batch is larger than this installation takes."""

    reason = "EventTooLarge"


class UnsupportedEvent(InvalidEvent):
    """An event comes in a format, character set or version of CloudEvents that is not read here."""

    reason = "UnsupportedEvent"


class InvalidQuestion(MayflyError):
    """A parameter or body of a question about invocations is wrong; the text names it, its value and the rule."""

    reason = "InvalidQuestion"


class WrongState(MayflyError):
    """An invocation's state forbids what is asked; the text names the state and what is possible instead."""

    reason = "WrongState"


class EventingUnavailable(MayflyError):
    """The process that keeps invocations does not answer, or does not know who asks; nothing was done."""

    reason = "EventingUnavailable"
    temporary = True


class BuildError(MayflyError):
    """A source cannot become an image until it changes."""

    reason = "BuildFailed"


class SourceError(BuildError):
    """A source cannot be read, is unsafe or is too large."""

    reason = "SourceRefused"


class SourceUnavailable(SourceError):
    """What is needed to fetch a source is not there for now: its host does not answer, or a Secret does not exist."""

    reason = "SourceUnavailable"
    temporary = True


class HandlerError(BuildError):
    """The handler cannot be chosen: none, several, or not callable."""

    reason = "HandlerNotFound"


class SyntaxProblem(BuildError):
    """A Python file of the source does not parse."""

    reason = "SyntaxError"


class DependencyError(BuildError):
    """The dependencies cannot be resolved or have no wheel."""

    reason = "DependencyFailed"


class BuildTimeout(BuildError):
    """A build took longer than the builder allows."""

    reason = "BuildTimeout"


class RegistryError(MayflyError):
    """A registry refused or did not answer.

    ``status`` is the HTTP status, or ``None`` when no answer came; ``codes`` are the error codes of the
    distribution specification (https://github.com/opencontainers/distribution-spec, "Error codes").
    """

    reason = "RegistryUnavailable"

    def __init__(self, message: str, *, status: int | None = None, codes: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.codes = tuple(codes)
        self.temporary = status is None or status in TEMPORARY_REGISTRY_STATUSES


class InvalidImage(RegistryError):
    """What a registry keeps is not an image, or not one that can be used here; permanent until it is replaced."""

    reason = "InvalidImage"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.temporary = False


class InvalidCredentials(RegistryError):
    """The Docker config cannot be used; permanent until it is changed."""

    reason = "InvalidCredentials"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.temporary = False


class BuilderUnavailable(MayflyError):
    """The builder cannot be reached, or its queue is full."""

    reason = "BuilderUnavailable"
    temporary = True


class ClusterError(MayflyError):
    """The Kubernetes API refused a request."""

    reason = "ClusterRefused"


class NotFound(ClusterError):
    """The object does not exist."""

    reason = "NotFound"


class Conflict(ClusterError):
    """The object changed meanwhile, or another manager owns the field."""

    reason = "Conflict"
    temporary = True


class Unauthorized(ClusterError):
    """The API does not know who is asking."""

    reason = "Unauthorized"


class Forbidden(ClusterError):
    """The API knows who is asking, and they may not."""

    reason = "Forbidden"


class Invalid(ClusterError):
    """The API server's validation refused the object."""

    reason = "InvalidSpec"


class Throttled(ClusterError):
    """The API server asks for patience; ``retry_after_seconds`` is its wish, ``None`` when it has none."""

    reason = "Throttled"
    temporary = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unreachable(ClusterError):
    """The API server did not answer."""

    reason = "ClusterUnreachable"
    temporary = True


class GatewayError(MayflyError):
    """A route cannot be programmed into the data plane."""

    reason = "RouteFailed"


class InvalidRoute(GatewayError):
    """An ingress names something that the data plane cannot serve."""

    reason = "InvalidRoute"


class StoreError(MayflyError):
    """The store of invocations cannot do its work."""

    reason = "StoreFailed"


class StoreUnavailable(StoreError):
    """The store cannot be reached, is full, or could not sync; nothing was promised."""

    reason = "StoreUnavailable"
    temporary = True


class StoreCorrupt(StoreError):
    """What is on the disk is not what was written there; a backup has to be brought back."""

    reason = "StoreCorrupt"


class SchemaTooNew(StoreError):
    """A later version of Mayfly has changed the store; this one must not write to it."""

    reason = "SchemaTooNew"
