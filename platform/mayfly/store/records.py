"""The values that go into a store and come out of it. Instants are POSIX seconds (UTC), durations seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Headers = tuple[tuple[str, str], ...]
"""Names and values in the order they came; a name may come twice."""

Queue = tuple[str, str]
"""Namespace and function."""


class State(Enum):
    """Where an invocation stands."""

    WAITING = "waiting"
    LEASED = "leased"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


SETTLED = frozenset({State.DELIVERED, State.DEAD, State.CANCELLED})
"""States that nobody works on; they are kept until they are purged."""


@dataclass(frozen=True, slots=True)
class Message:
    """One HTTP request as it is to reach the function, byte for byte."""

    headers: Headers = ()
    body: bytes = b""
    method: str = "POST"
    path: str = "/"
    """With the query, if there is one."""


@dataclass(frozen=True, slots=True)
class NewInvocation:
    """A delivery to be made. Invocations of one batch that hold the very same ``message`` object share its row."""

    id: str
    """A UUIDv7 as text (``ids.make_id``); lists are ordered by it."""
    namespace: str
    function: str
    message: Message
    due: float
    """Not delivered before this instant."""
    expires: float | None = None
    """The end of its maximum age; handed to whoever claims it, not enforced here."""
    dedup_key: str | None = None
    """Names this work within its namespace and function, such as an ``Idempotency-Key`` or ``source`` + ``id``."""
    fingerprint: str = ""
    """A digest of what the key stands for: the same key with another fingerprint is a conflict."""
    kind: str = "event"
    """``event``, ``call``, or what else the door wants to tell apart; only stored."""
    target: str = ""
    """Where it goes when that is not the function itself, such as the URL of a destination; only stored."""
    revision: str | None = None
    """The one revision to send it to; ``None``: where the function's traffic goes."""
    parent: str | None = None
    """The invocation whose outcome, reply or replay this is."""
    depth: int = 0
    """How many replies and destinations led here (invariant I6 is checked by the door)."""
    context: str = ""
    """Anything the door wants back with the lease, such as trace context or a delivery policy as JSON; only stored."""


class Verdict(Enum):
    """What became of one invocation of a batch."""

    NEW = "new"
    """Stored."""
    DUPLICATE = "duplicate"
    """Its key stands for the same work already, here or earlier in the batch; nothing was added."""
    CONFLICT = "conflict"
    """Its key stands for other work; nothing of the batch was stored."""
    WITHHELD = "withheld"
    """Nothing is wrong with it, but another of its batch is a conflict."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one invocation of a batch."""

    verdict: Verdict
    id: str
    """Of the stored invocation: for a duplicate or a conflict, the one that was there before."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One delivery as it stands."""

    id: str
    namespace: str
    function: str
    state: State
    accepted: float
    due: float
    """When it may be tried (again); meaningless once settled."""
    expires: float | None
    epoch: int
    """Rises with every lease."""
    attempts: int
    """Attempts on record, over its whole life."""
    tries: int
    """Attempts since it was accepted or last redriven: what a retry policy counts."""
    redrives: int
    settled: float | None
    """When it was delivered, given up or cancelled; ``None`` while it is neither."""
    reason: str
    """Why it is dead, in one word such as ``Expired``; empty unless it is."""
    detail: str
    """The same in a sentence, with the last error."""
    status: int | None
    """HTTP status of the last attempt that got one."""
    worker: str
    """Who holds, or last held, its lease."""
    lease_until: float | None
    """``None`` unless leased."""
    kind: str
    target: str
    revision: str | None
    parent: str | None
    depth: int
    context: str
    dedup_key: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to deliver ``invocation`` until ``until``; ``(invocation.id, epoch)`` settles it."""

    invocation: Invocation
    message: Message
    epoch: int
    until: float


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms one function's invocations are leased."""

    capacity: int
    """How many more it can take now: free slots of this dispatcher, not the total."""
    lease_seconds: float
    """Longer than the function's timeout (invariant I7, checked at admission)."""


class Tried(Enum):
    """What came of one attempt."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    DEAD = "dead"
    UNKNOWN = "unknown"
    """The lease lapsed: the function may or may not have had the message."""
    CANCELLED = "cancelled"
    """Cancelled under way: the function may or may not have had the message."""


@dataclass(frozen=True, slots=True)
class Try:
    """What a worker tells about its attempt."""

    started: float
    ended: float
    status: int | None = None
    """HTTP status; ``None`` when no answer came."""
    error: str = ""
    """What went wrong, in words; cut to the store's limit."""
    revision: str | None = None
    """The revision that answered, if known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver, on record."""

    number: int
    """From 1, over the invocation's whole life."""
    tried: Tried
    started: float
    ended: float | None
    """``None`` when nobody saw the end."""
    status: int | None
    error: str
    worker: str
    revision: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What the function answered."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    truncated: bool = False
    """The answer was longer than is kept."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The function took it; ``result`` is kept for whoever asked, ``None`` when there is nothing to keep."""

    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """To be tried again, not before ``due``."""

    due: float


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up, for the true reason (invariant I4); ``result`` keeps the last answer, if it is to be shown."""

    reason: str
    detail: str = ""
    result: Result | None = None


Outcome = Delivered | Retry | Dead


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether an outcome was taken, and what became of its follow-ups."""

    current: bool
    """``False``: the lease was not the current one any more, and nothing was changed (invariant I3)."""
    receipts: tuple[Receipt, ...] = ()
    """One for each follow-up. A conflict loses that follow-up alone: an outcome cannot be refused for it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which invocations of a namespace are meant; every condition given must hold."""

    function: str | None = None
    states: frozenset[State] | None = None
    since: float | None = None
    """Accepted at or after."""
    until: float | None = None
    """Accepted before."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some invocations, the newest first."""

    items: tuple[Invocation, ...]
    cursor: str | None
    """To be passed on for the next page; ``None``: there is none."""


@dataclass(frozen=True, slots=True)
class Count:
    """The books of one function, or their sum."""

    accepted: int = 0
    """Ever: calls, events, follow-ups and replays."""
    waiting: int = 0
    leased: int = 0
    delivered: int = 0
    dead: int = 0
    cancelled: int = 0
    purged: int = 0
    """Ever deleted after they were settled."""

    @property
    def balance(self) -> int:
        """Accepted without a place, 0 when the books balance (invariant I5)."""
        kept = self.waiting + self.leased + self.delivered + self.dead + self.cancelled
        return self.accepted - kept - self.purged


@dataclass(frozen=True, slots=True)
class Conservation:
    """The books beside the rows."""

    books: Count
    rows: Mapping[State, int] = field(default_factory=dict)

    @property
    def drift(self) -> int:
        """Invocations that the books and the rows disagree about; anything but 0 is a fault."""
        drift = abs(self.books.balance)
        for state in State:
            drift += abs(getattr(self.books, state.value) - self.rows.get(state, 0))
        return drift


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what is kept."""

    message_bytes: int = 1024 * 1024
    """Body and headers of a message; a larger one is refused."""
    result_bytes: int = 256 * 1024
    """Body of a result; a larger one is cut."""
    text_characters: int = 1024
    """Errors and details; longer ones are cut."""


DEFAULT_LIMITS = Limits()
