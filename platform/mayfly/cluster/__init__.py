"""Speak to the Kubernetes API: the only room that does.

Objects are plain dictionaries, as the API server wrote them; no class per kind, no discovery at start.

Vocabulary:
    Kind       which collection an object lives in (``kinds.FUNCTION``).
    Cluster    one connection with credentials; every verb of the API is a method of it.
    Change     one event of a watch.
    Cache      a live local copy of one collection, kept by list and watch.
    WorkQueue  keys that need attention, each handled by one worker at a time.
    Lease      the lock that says which of several replicas may write.

The rule: no exception of a foreign library leaves this room; callers see ``errors.ClusterError`` and its kinds.
"""
