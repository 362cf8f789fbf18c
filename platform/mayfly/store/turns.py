"""Decide whose invocations are leased next, so that no tenant delays another. Pure but for its own memory.

Deficit round robin with a quantum of one invocation: namespaces take turns, and within a namespace its functions do.
How much waits in a queue plays no part. What one ``deal`` ended with, the next begins behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.store import records


class Turns:
    """The memory of one dispatcher: who had the last turn."""

    def __init__(self) -> None:
        self._namespace = ""
        self._functions: dict[str, str] = {}

    def deal(self, free: Mapping[records.Queue, int], limit: int) -> dict[records.Queue, int]:
        """Return how many each queue may have: at most ``limit`` together, at most ``free`` each, in fair turns."""
        rings = self._make_rings(free)
        left = dict(free)
        dealt: dict[records.Queue, int] = {}
        while rings and limit > 0:
            for namespace in list(rings):
                if limit == 0:
                    break
                queue = namespace, rings[namespace].pop(0)
                dealt[queue] = dealt.get(queue, 0) + 1
                left[queue] -= 1
                limit -= 1
                self._namespace, self._functions[namespace] = namespace, queue[1]
                if left[queue] > 0:
                    rings[namespace].append(queue[1])
                if not rings[namespace]:
                    del rings[namespace]
        return dealt

    def _make_rings(self, free: Mapping[records.Queue, int]) -> dict[str, list[str]]:
        """Return the functions of each namespace, both beginning behind the last turn."""
        rings: dict[str, list[str]] = {}
        for namespace, function in sorted(queue for queue, room in free.items() if room > 0):
            rings.setdefault(namespace, []).append(function)
        for namespace in self._functions.keys() - rings.keys():
            del self._functions[namespace]
        order = _rotate(list(rings), self._namespace)
        return {namespace: _rotate(rings[namespace], self._functions.get(namespace, "")) for namespace in order}


def _rotate(names: list[str], last: str) -> list[str]:
    """Return sorted ``names`` beginning with the first after ``last``.

    >>> _rotate(["a", "b", "c"], "a")
    ['b', 'c', 'a']
    """
    behind = [name for name in names if name > last]
    return behind + names[: len(names) - len(behind)]
