"""Which of several replicas may write: leader election on a ``coordination.k8s.io`` Lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mayfly.cluster import client


class LeaderElection:
    """Take part in the election for one Lease."""

    def __init__(
        self,
        cluster: client.Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        lease_seconds: float = 15.0,
        renew_deadline_seconds: float = 10.0,
        retry_seconds: float = 2.0,
    ) -> None:
        raise NotImplementedError

    def is_leader(self) -> bool:
        """Say whether this process may write now: it holds the lease and renewed it within the renew deadline.

        Asks the monotonic clock each time, so it is right even in a process that was frozen.
        """
        raise NotImplementedError

    @property
    def leader(self) -> str | None:
        """Return the identity that held the lease when last seen."""
        raise NotImplementedError

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait to be elected, then run ``lead``; cancel it at once when leadership is lost, and stand again.

        Returns when ``lead`` returns; the lease is given back then, and also when this is cancelled.
        """
        raise NotImplementedError
