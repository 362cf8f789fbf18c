"""What becomes of a Function whose reconciliation raised: tried again, or left until something changes."""

from __future__ import annotations

from enum import Enum

from mayfly import errors


class Action(Enum):
    """What the queue does with the key."""

    RETRY = "retry"
    """Try again after a growing pause."""
    SOON = "soon"
    """Look again in a moment, without ado: what was seen was old, and the watch is about to bring what is new."""
    STOP = "stop"
    """Nothing changes by trying; a change of the Function or of what it made, or the resync, comes back to it."""


SOON_SECONDS = 0.1


ACTIONS: dict[type[errors.MayflyError], Action] = {
    errors.MayflyError: Action.RETRY,
    # The author has to change the manifest or the source, and a change wakes the key.
    errors.SpecError: Action.STOP,
    errors.InvalidName: Action.STOP,
    errors.InvalidSource: Action.STOP,
    errors.UnknownRuntime: Action.STOP,
    errors.InvalidFilter: Action.STOP,
    errors.InvalidSchedule: Action.STOP,
    errors.InvalidEvent: Action.STOP,
    errors.EventTooLarge: Action.STOP,
    errors.UnsupportedEvent: Action.STOP,
    errors.InvalidQuestion: Action.STOP,
    errors.WrongState: Action.STOP,
    errors.EventingUnavailable: Action.RETRY,
    errors.BuildError: Action.STOP,
    errors.SourceError: Action.STOP,
    errors.SourceUnavailable: Action.RETRY,
    errors.HandlerError: Action.STOP,
    errors.SyntaxProblem: Action.STOP,
    errors.DependencyError: Action.STOP,
    errors.BuildTimeout: Action.STOP,
    errors.InvalidImage: Action.STOP,
    errors.InvalidCredentials: Action.STOP,
    errors.Invalid: Action.STOP,
    # Others have to act, or time has to pass, and nothing tells us when.
    errors.RegistryError: Action.RETRY,
    errors.BuilderUnavailable: Action.RETRY,
    errors.ClusterError: Action.RETRY,
    errors.NotFound: Action.RETRY,
    errors.Conflict: Action.SOON,
    errors.Unauthorized: Action.RETRY,
    errors.Forbidden: Action.RETRY,
    errors.Throttled: Action.RETRY,
    errors.Unreachable: Action.RETRY,
    errors.GatewayError: Action.RETRY,
    errors.InvalidRoute: Action.STOP,
    errors.StoreError: Action.RETRY,
    errors.StoreUnavailable: Action.RETRY,
    errors.StoreCorrupt: Action.STOP,
    errors.SchemaTooNew: Action.STOP,
}
"""One row per class of the error tree; a test proves it complete."""


def decide(error: errors.MayflyError) -> Action:
    """Return what to do after ``error``: the row of its class, or of the nearest class above."""
    return next(ACTIONS[kind] for kind in type(error).__mro__ if kind in ACTIONS)
