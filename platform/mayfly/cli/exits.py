"""How commands end, as numbers.

0 ok, 1 failure, 2 wrong usage, 3 something not carried, 22 the function answered with an error, 124 timeout, 130
interrupted.
"""

from __future__ import annotations

from mayfly import errors
from mayfly.cluster import answer

OK = 0
FAILURE = 1
USAGE = 2
INCOMPLETE = 3
"""`migrate` did its work, but something of the input is not carried."""
FUNCTION_ERROR = 22
"""The function was reached and answered 400 or above, or was given up; the number is curl's for the same."""
TIMEOUT = 124
"""The number of coreutils' timeout."""
INTERRUPTED = 130


class WrongUsage(errors.MayflyError):
    """The command line, the folder or the manifest cannot be worked with."""

    reason = "Usage"


class Failed(errors.MayflyError):
    """What was asked for did not come about."""

    reason = "Failed"


class FunctionFailed(errors.MayflyError):
    """The function answered with an error."""

    reason = "FunctionFailed"


class TimedOut(errors.MayflyError):
    """It took longer than the user wants to wait."""

    reason = "TimedOut"
    temporary = True


CODES: dict[type[errors.MayflyError], int] = {
    errors.MayflyError: FAILURE,
    errors.SpecError: USAGE,
    errors.InvalidName: USAGE,
    errors.InvalidSource: USAGE,
    errors.UnknownRuntime: USAGE,
    errors.InvalidFilter: USAGE,
    errors.InvalidSchedule: USAGE,
    errors.InvalidEvent: USAGE,
    errors.EventTooLarge: USAGE,
    errors.UnsupportedEvent: USAGE,
    errors.InvalidQuestion: USAGE,
    errors.WrongState: FAILURE,
    errors.EventingUnavailable: FAILURE,
    errors.BuildError: FAILURE,
    errors.SourceError: FAILURE,
    errors.SourceUnavailable: FAILURE,
    errors.HandlerError: FAILURE,
    errors.SyntaxProblem: FAILURE,
    errors.DependencyError: FAILURE,
    errors.BuildTimeout: FAILURE,
    errors.RegistryError: FAILURE,
    errors.InvalidImage: FAILURE,
    errors.InvalidCredentials: FAILURE,
    errors.BuilderUnavailable: FAILURE,
    errors.ClusterError: FAILURE,
    errors.NotFound: FAILURE,
    errors.Conflict: FAILURE,
    errors.Unauthorized: FAILURE,
    errors.Forbidden: FAILURE,
    errors.Invalid: FAILURE,
    errors.Throttled: FAILURE,
    errors.Unreachable: FAILURE,
    answer.Expired: FAILURE,
    errors.GatewayError: FAILURE,
    errors.InvalidRoute: FAILURE,
    errors.StoreError: FAILURE,
    errors.StoreUnavailable: FAILURE,
    errors.StoreCorrupt: FAILURE,
    errors.SchemaTooNew: FAILURE,
    WrongUsage: USAGE,
    Failed: FAILURE,
    FunctionFailed: FUNCTION_ERROR,
    TimedOut: TIMEOUT,
}
"""Our errors -> exit code. A kind that is missing here fails a test."""


def code_of(error: errors.MayflyError) -> int:
    """Return the exit code for ``error``: that of the nearest kind in ``CODES``."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
