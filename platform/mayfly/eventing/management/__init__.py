"""Answer who asks about invocations, and steer them.

``management`` is for the REST API, ``reads`` for callers of a function with the ``Location`` of their call; both give
the documents of ``documents``. The rule: nobody learns whether what is another's exists.
"""
