"""The parts of the SQLite store; ``mayfly.store.sqlite`` puts them together.

Everything that writes is a job: a function of the unit of work it belongs to. One thread runs jobs, many of them in
one transaction, and answers for none of them before the commit is synced.
"""
