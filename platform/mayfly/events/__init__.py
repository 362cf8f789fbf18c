"""Decide about events: what one is, who wants it, when it is tried again, when a schedule makes one.

Pure: values in, values out; nothing here knows a clock, a random source or a connection. Instants are passed in as
POSIX seconds or aware ``datetime``, chance as a float.

Vocabulary:
    Event         a CloudEvent 1.0 that was read and found sound: attributes as text, data as bytes.
    Message       an HTTP request's headers and body that carry one event, or a batch.
    Filter        a trigger's condition on the attributes of an event; an immutable value with ``matches``.
    Subscription  a key (whose meaning is the caller's) and the filter of one trigger.
    Outcome       what came of one attempt to deliver: an answer, or the kind of failure to get one.
    Verdict       what follows: ``Done``, ``Retry`` at an instant, or ``Dead`` for a ``Reason``.
    Tick          an instant for which a schedule calls its function; its id is the same whoever computes it.

The rule: bytes that were accepted once are never refused, changed or re-encoded later. An event's attributes reach
the function character by character and its data byte for byte.
"""
