"""Keep what authentication depends on, each source with what is wrong with it."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

from mayfly import errors
from mayfly.routing import ingress, policy, status, trust

log = logging.getLogger(__name__)

STALE_SECONDS = 3600.0
"""An issuer that does not answer keeps the keys it last gave for so long before its Functions say so; the keys stay."""
MISSING = "AuthSecretMissing"
BROKEN = "AuthBroken"
UNREACHABLE = "JWKSUnreachable"


@dataclasses.dataclass(slots=True)
class _Held:
    """One source that somebody names."""

    read: bool = False
    content: trust.Content | None = None
    since: float = 0.0
    """When ``content`` was last seen, on a clock that only moves forward."""
    error: status.Finding | None = None


class Trust:
    """Hold the sources that are wanted; ``on_change`` is called when content or state of one changed.

    ``on_want`` is called when a source is wanted (true) or no longer (false).
    """

    def __init__(
        self, *, on_change: Callable[[trust.Source], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._held: dict[trust.Source, _Held] = {}
        self.on_want: list[Callable[[trust.Source, bool], None]] = []

    def want(self, source: trust.Source) -> None:
        """Begin to hold a source."""
        self._held[source] = _Held()
        for tell in self.on_want:
            tell(source, True)

    def forget(self, source: trust.Source) -> None:
        """Hold a source no longer."""
        del self._held[source]
        for tell in self.on_want:
            tell(source, False)

    def is_wanted(self, source: trust.Source) -> bool:
        """Say whether an ingress depends on this source."""
        return source in self._held

    @property
    def unread(self) -> list[trust.Source]:
        """Return the wanted sources that nobody looked for yet."""
        return [source for source, held in self._held.items() if not held.read]

    def put(self, source: trust.Source, found: trust.Content | errors.MayflyError | None) -> None:
        """Take in a source: its content, why it could not be read, or (``None``) that it is not there.

        A Secret that is gone takes its keys with it: whoever deletes it may have reason to. An issuer that does not
        answer leaves the keys that it gave before.
        """
        held = self._held.get(source)
        if held is None:
            return
        before = dataclasses.replace(held)
        held.read = True
        if found is None:
            held.content, held.error = None, status.Finding(MISSING, _describe_missing(source), failed=True)
        elif isinstance(found, errors.MayflyError):
            held.error = self._judge(held, source, found)
        else:
            held.content, held.since, held.error = found, self._clock(), None
        if (before.read, before.content, before.error) != (held.read, held.content, held.error):
            self._on_change(source)

    def _judge(self, held: _Held, source: trust.Source, error: errors.MayflyError) -> status.Finding | None:
        log.warning("cannot read %s: %s", source, error)
        if isinstance(source, trust.Url):
            fresh = held.content is not None and self._clock() - held.since < STALE_SECONDS
            return None if fresh else status.Finding(UNREACHABLE, str(error), failed=True)
        held.content = None
        return status.Finding(BROKEN, str(error), failed=True)

    def judge(self, subject: ingress.Ingress) -> tuple[policy.Credentials, status.Finding | None]:
        """Return what callers of an ingress are checked against, and what is wrong with it.

        With a finding and no keys the credentials name the problem, and nobody is let in.
        """
        source = trust.find_source(subject)
        if source is None:
            return policy.Credentials(), None
        held = self._held[source]
        if held.content is None:
            finding = held.error or status.waiting(f"{source} with the keys of callers is not read yet")
            return policy.Credentials(problem=finding.message), finding
        try:
            return trust.make_credentials(subject, held.content), held.error
        except errors.InvalidRoute as error:
            return policy.Credentials(problem=str(error)), status.Finding(BROKEN, str(error), failed=True)


def _describe_missing(source: trust.Source) -> str:
    return f"Secret {source} with the keys of callers does not exist; create it: until then every call is refused"
