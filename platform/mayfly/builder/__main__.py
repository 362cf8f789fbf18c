"""Run the builder: ``python -m mayfly.builder``; its settings come from the environment."""

from __future__ import annotations

from aiohttp import web

from mayfly import logs, settings
from mayfly.builder import app

SHUTDOWN_SECONDS = 5.0
"""Time for open requests at the end; builds are stopped, for they can be asked for again."""


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = settings.BuilderSettings()
    logs.configure(given.log_level)
    web.run_app(app.make_app(given), port=given.port, access_log=None, print=None, shutdown_timeout=SHUTDOWN_SECONDS)


if __name__ == "__main__":
    main()
