"""Run the command and turn every end into an exit code; nobody sees a traceback who did not ask for one."""

from __future__ import annotations

import os
import pathlib
import re
import sys

from mayfly.cli import app, talk


def main() -> None:
    """Run ``mayfly`` with the arguments of this process."""
    called = pathlib.Path(sys.argv[0]).name
    program = "kubectl mayfly" if called == "kubectl-mayfly" else "mayfly"
    sys.exit(run(sys.argv[1:], program=program))


def run(args: list[str], *, program: str = "mayfly") -> int:
    """Run the command and return its exit code.

    ``MAYFLY_DEBUG=1`` lets errors through with their traceback.
    """
    if os.environ.get("MAYFLY_DEBUG") == "1":
        return app.invoke(args, program=program)
    try:
        return app.invoke(args, program=program)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001  (the last line of defence before the user)
        return _report(error)


def _report(error: Exception) -> int:
    """Print an error in one message and return its exit code."""
    from mayfly import errors  # noqa: PLC0415
    from mayfly.cli import exits  # noqa: PLC0415

    if isinstance(error, errors.MayflyError):
        talk.fail(_explain(error))
        return exits.code_of(error)
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return int(getattr(error, "exit_code", exits.USAGE))
    if type(error).__name__ == "Abort":
        return exits.INTERRUPTED
    talk.fail(f"{type(error).__name__}: {error} (a defect of mayfly; MAYFLY_DEBUG=1 shows where)")
    return exits.FAILURE


def _explain(error: Exception) -> str:
    """Return an error's text, with the cause where the text of the API server leaves it open."""
    text = str(error)
    if "could not find the requested resource" in text or "404 page not found" in text:
        return f"this cluster does not know Functions ({text}); install Mayfly on it: helm install mayfly ..."
    if absent := re.fullmatch(r'namespaces "([^"]+)" not found', text):
        return f"{text}; create it: kubectl create namespace {absent[1]}"
    return text


if __name__ == "__main__":
    main()
