"""Keep every asynchronous piece of work until it is settled: the only room that knows a database.

Vocabulary:
    Message     what is sent: method, path, headers and body of one HTTP request; stored once, however many receive it.
    Invocation  one delivery of one message to one function: its state, its attempts, its outcome.
    Queue       the waiting invocations of one function of one namespace.
    Lease       the right to deliver one invocation until an instant; its epoch tells it from every earlier one.
    Attempt     one try to deliver, with what came of it.
    Follow-up   an invocation that exists because another was settled: a destination, a callback, a reply.
    Drift       by how much the books differ from the rows; anything but 0 is a fault of this room.

States::

    waiting --claim--> leased --settle--> delivered | dead
       ^                 |  |
       +-- retry, lapse -+  +--cancel--> cancelled       (cancel takes a waiting one as well)
       +------ redrive ----- dead

The rule: what a caller was told has been synced to the disk before, and only the holder of the current lease settles.
No clock is read here: instants come in as POSIX seconds. ``interface.Store`` is what the backends ``sqlite`` and
``postgres`` promise; one test suite holds both to it.
"""
