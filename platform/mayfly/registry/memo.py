"""Remember which repository has which blob, so that the same question is asked once in a process's life."""

from __future__ import annotations

from collections import OrderedDict

_LIMIT = 50_000
"""Facts kept, some 20 MB; the least recently learnt go first."""


class Memo:
    """Facts that were true when they were learnt; ``forget`` a repository when one proved false."""

    def __init__(self) -> None:
        self._facts: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._last_seen: dict[str, str] = {}

    def add(self, *, repository: str, digest: str) -> None:
        """Remember that ``repository`` has the blob."""
        self._facts[repository, digest] = None
        self._facts.move_to_end((repository, digest))
        self._last_seen[digest] = repository
        if len(self._facts) > _LIMIT:
            self._drop(next(iter(self._facts)))

    def has(self, *, repository: str, digest: str) -> bool:
        """Tell whether ``repository`` is known to have the blob; ``False`` also means "not known"."""
        return (repository, digest) in self._facts

    def find(self, digest: str) -> str | None:
        """Return the repository in which the blob was last seen, ``None`` if it was in none."""
        return self._last_seen.get(digest)

    def forget(self, repository: str) -> None:
        """Forget everything about ``repository``: its registry was cleaned up or replaced."""
        for fact in [fact for fact in self._facts if fact[0] == repository]:
            self._drop(fact)

    def _drop(self, fact: tuple[str, str]) -> None:
        repository, digest = fact
        del self._facts[fact]
        if self._last_seen.get(digest) == repository:
            del self._last_seen[digest]
