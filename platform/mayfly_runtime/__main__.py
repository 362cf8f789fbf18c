"""Listen first, import second: a probe that comes early waits in the backlog instead of being refused."""

from __future__ import annotations

import os
import socket
import sys

from mayfly_runtime import settings

_BACKLOG = 2048


def main() -> int:
    """Serve the function that the environment names; return the exit code."""
    try:
        given = settings.read_settings(os.environ)
        listener = listen(given.port)
    except (settings.SettingsError, OSError) as error:
        return _give_up(str(error))
    return _serve(given, listener)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on every address of this pod.

    Raises:
        OSError: the port is taken or not ours to take.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104
    listener.listen(_BACKLOG)
    return listener


def _serve(given: settings.Settings, listener: socket.socket) -> int:
    from mayfly_runtime import phases  # noqa: PLC0415  (the socket listens before these are loaded)

    phases.note("interpreter_ms")
    from mayfly_runtime import loading, logs, serving  # noqa: PLC0415

    loading.arrange_path(given)
    logs.configure(level=given.log_level, function=given.function, revision=given.revision)
    return serving.run(given, listener)


def _give_up(message: str) -> int:
    from mayfly_runtime import loading  # noqa: PLC0415

    path = os.environ.get("MAYFLY_TERMINATION_LOG") or "/dev/termination-log"
    loading.write_termination_log(path, message, "")
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.exit(code)
