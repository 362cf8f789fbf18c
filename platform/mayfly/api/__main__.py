"""Run the REST API: ``python -m mayfly.api``."""

from __future__ import annotations

import logging

import uvicorn

from mayfly import deadline, logs, settings
from mayfly.api import app, calls, connect

log = logging.getLogger("mayfly.api")

CONNECTIONS = 512
"""Connections served at once; one more is answered with 503 instead of memory without end."""
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 10
"""Time for running calls after SIGTERM; log streams end with it."""


def main() -> None:
    """Serve until SIGTERM."""
    limits = settings.ApiSettings()
    logs.configure(limits.log_level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    log.info("serving", extra={"port": limits.port, "registry": limits.registry})
    served = calls.Observed(app.make_app(limits, connect.connect))
    uvicorn.run(
        served,
        host="0.0.0.0",  # noqa: S104  (a pod serves on its own address)
        port=limits.port,
        http=deadline.Deadlined,
        loop="uvloop",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


if __name__ == "__main__":
    main()
