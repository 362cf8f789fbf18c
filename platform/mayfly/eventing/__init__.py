"""Take events and asynchronous calls, keep them, deliver each to its function or dead-letter it with the true reason.

One direction: a request becomes an event or a call (``reception``), that becomes invocations (``publish``), these are
stored and only then answered 202; ``delivery`` leases what is due, tries it once and decides what follows, the store
settles it with all that follows in one transaction. ``clock`` makes the ticks of schedules, ``management`` answers who
asks; ``process`` puts all of it together.

Vocabulary:
    Target     a Function as who delivers to it sees it: its triggers, its policy, what it can take.
    Known      every Target of the cluster, and who wants an event.
    Origin     where an invocation comes from: kind, parent, depth, trace.
    Post       what delivers one message: through the gateway, to a revision, or to a URL outside.

The rule: nothing is answered 202 that is not on the disk, nothing is settled but by the holder of the current lease
(invariants I1 to I7, ``docs/events.md``).
"""
