"""How long a worker may hold something it delivers (invariant I7: a lease outlives the attempt made under it)."""

from __future__ import annotations

from mayfly import errors

START_SECONDS = 60.0
"""What an attempt may wait for an instance to start, before ``spec.timeout`` begins to count."""
MARGIN_SECONDS = 10.0
"""What a worker may need to write down the outcome."""


def make_attempt_timeout(timeout_seconds: float) -> float:
    """Return the seconds after which an attempt is given up, for a function with this ``spec.timeout``."""
    return timeout_seconds + START_SECONDS


def make_lease(timeout_seconds: float) -> float:
    """Return the seconds of the lease for a function with this ``spec.timeout``."""
    return make_attempt_timeout(timeout_seconds) + MARGIN_SECONDS


def check_lease(lease_seconds: float, timeout_seconds: float) -> None:
    """Raise ``SpecError`` unless a lease of ``lease_seconds`` outlives an attempt, with time to write down its end."""
    least = make_lease(timeout_seconds)
    if lease_seconds < least:
        raise errors.SpecError(
            f"a lease of {lease_seconds:g}s does not outlive a function with a timeout of {timeout_seconds:g}s, which"
            f" may take {make_attempt_timeout(timeout_seconds):g}s with its start: at least {least:g}s, or a shorter"
            " timeout; otherwise a second worker would begin while the first is at it"
        )
