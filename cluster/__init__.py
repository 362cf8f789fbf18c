"""Bring a real Knative cluster up on one machine, and take it away again.

Vocabulary:
    layout: where everything lives (the state, the cache, the clone) and the addresses.
    program: an upstream executable built from its Go module into the cache.
    node: one process that owns a network and a mount namespace; all daemons live inside.
    daemon: a long-running program, known by process id *and* start time.
    step: one named piece of the way up; a step that is done already is skipped.

One rule: every step can be repeated. `up` looks at what is really there, not at what it did
last time, so a killed machine, an interrupted `up` and a healthy cluster all take the same path.
Only the standard library is used: this runs before anything is installed.
"""
