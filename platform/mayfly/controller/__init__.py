"""The controller's process: elect, watch, queue, reconcile, and tell how it goes.

Vocabulary: the *leader* is the one replica that writes; *trimming* leaves away what no phase reads before an object
is kept. One rule: what a Function needs is decided in ``reconcile``; this room only wires and carries.
"""
