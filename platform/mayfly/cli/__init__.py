"""The ``mayfly`` command, also ``kubectl mayfly``.

Vocabulary:
    Session   the cluster and namespace a command works on, from the user's own kubeconfig and with their own rights.
    Archive   a source folder as one file, the same bytes for the same files.
    Door      how the REST API is reached, and as whom.
    Snapshot  how far a Function has come, read from its status.
    View      what is printed of an object: data goes to stdout, everything else to stderr.

The rule: commands start fast, so what is heavy is imported by the command that needs it, in ``commands/``.
"""
