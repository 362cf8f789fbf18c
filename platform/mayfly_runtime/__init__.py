"""What runs inside a function's image: ``python3 -P -m mayfly_runtime``.

A small ASGI server around one user function. Vocabulary: a *dialect* is a calling convention (``http``, ``lambda``,
``wsgi`` and others, each a module of ``dialects``); a *call* is one HTTP request being answered; a *worker* is a thread
that runs synchronous user code. The one rule: nothing of the user's runs on the event loop unless it is ``async``.

Server up and function loaded are two events. The socket listens before the rest of the runtime is imported, the
server answers ``GET /healthz/live`` (200, unless the function itself says that it is not well), and the handler is
imported in a worker; ``GET /healthz/ready`` is 503 until that has succeeded and again while the process drains. A call
that comes earlier waits for the load.

Environment: see ``settings``. Exit codes: 0 after a graceful stop; 1 when the code cannot be loaded or a setting is
wrong; 3 when the handler is missing or cannot be called. What went wrong is also written to the termination log.

Order of ``sys.path``: the function's code, the standard library, the function's dependencies, the runtime. The
runtime's own modules are loaded first, so a function cannot break the server by shipping another ``uvicorn``, and the
runtime's libraries never win over a function's.

Logs are JSON lines. ``logging`` records go to stderr with ``time, level, logger, message, function, revision,
request_id, trace_id`` and the record's extras. ``print`` goes to stdout, each line wrapped as a record with
``stream: stdout``, because only so can it carry the request id; a printed line that is itself a JSON object is kept
and completed. ``sys.stdout.buffer`` and file descriptor 1 are left alone: what is written there is passed on raw.

Request ids: a valid ``X-Request-Id`` (``[A-Za-z0-9._-]{1,128}``) is taken over, else one is made; it is in the
response's ``X-Request-Id``, in every log line of the call and in every problem document.

Deadline: ``MAYFLY_TIMEOUT_SECONDS`` from the request's headers to the last byte of the answer. Then: 504, or the
connection is cut when the answer has begun. An async handler is cancelled; a thread cannot be, so it is logged and
another takes its place.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
