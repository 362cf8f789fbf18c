"""The parts of the PostgreSQL store; ``mayfly.store.postgres`` puts them together.

Requests of one kind gather in a line while the line's connection is busy; then all of them are done by a few
statements in one transaction. Any number of processes do so at once: rows in work are skipped, never waited for.
"""
