"""The ASGI application that uvicorn calls: health, request id, deadline, failures; the dialect does the rest."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from mayfly_runtime import calls, deadlines, dialects, failures, loading, logs, problem, replies, settings, workers

log = logging.getLogger("mayfly_runtime")

LIVE, READY = "/healthz/live", "/healthz/ready"
_PROBE_PATIENCE_SECONDS = 0.08
"""How long an early readiness probe waits for the load before it gets 503.

Knative's queue-proxy gives an aggressive probe 100 ms and pauses between tries, so waiting here saves that pause.
"""

_GONE = frozenset({"ClientDisconnect", "ClientDisconnected"})
"""How Starlette and uvicorn name the exception that tells an application of the client's leaving."""


class Front:
    """One function and whether it is loaded."""

    def __init__(self, given: settings.Settings) -> None:
        self.settings = given
        self.workers = workers.Workers(workers.size_for(given.concurrency))
        self.dialect: dialects.Dialect | None = None
        self.failure: failures.LoadError | None = None
        self.draining = False
        self._settled = asyncio.Event()
        self._deadlines = deadlines.Deadlines(given.timeout_seconds)
        self._logs_calls = given.log_level == "DEBUG"

    async def load(self) -> None:
        """Import the handler in a worker and start its dialect; ``failure`` says when that went wrong.

        When this is cancelled, because the process stops, there is neither a dialect nor a failure.
        """
        try:
            target = await self.workers.run(self._import_handler)
            context = dialects.Context(self.settings, self.workers)
            dialect = await self.workers.run(dialects.make, self.settings.signature, target, context)
            await dialect.start()
            self.dialect = dialect
        except failures.LoadError as failure:
            self.failure = failure
        except asyncio.CancelledError:
            log.info("stopped before the function was loaded")
        except BaseException as error:  # noqa: BLE001  (whatever the user's code raises, the process says so and ends)
            self.failure = failures.LoadError(loading.explain(error, self.settings.code_dir))
            self.failure.__cause__ = error
        self._settled.set()

    def _import_handler(self) -> Any:
        dialects.prepare(self.settings.signature)
        return loading.load_handler(self.settings)

    async def __call__(self, scope: calls.Scope, receive: calls.Receive, send: calls.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._converse(scope, receive, send)
            return
        call = calls.Call(scope, receive, send)
        if scope["path"] in {LIVE, READY}:
            await self._report_health(call)
            return
        logs.current.set(call)
        call.max_body_bytes = self.settings.max_body_bytes
        self._deadlines.begin(call)
        try:
            dialect = self.dialect or await self._await_dialect()
            await dialect.answer(call)
        except BaseException as error:  # noqa: BLE001  (sorted out below)
            self._deadlines.end(call)
            await self._fail(call, error)
        else:
            self._deadlines.end(call)
        if self._logs_calls:
            self._log_call(call)

    async def _await_dialect(self) -> dialects.Dialect:
        await self._settled.wait()
        if self.dialect is None:
            raise problem.Problem(503, "the function was not loaded; its log says why")
        return self.dialect

    async def _report_health(self, call: calls.Call) -> None:
        if call.scope["path"] == LIVE:
            alive = self.dialect is None or await self.dialect.check("alive")
            await call.respond(
                200 if alive else 503, [(b"content-type", replies.TEXT)], b"live\n" if alive else b"not alive\n"
            )
            return
        if not self._settled.is_set():
            await asyncio.wait({asyncio.ensure_future(self._settled.wait())}, timeout=_PROBE_PATIENCE_SECONDS)
        ready = self.dialect is not None and not self.draining and await self.dialect.check("ready")
        await call.respond(
            200 if ready else 503, [(b"content-type", replies.TEXT)], b"ready\n" if ready else b"not ready\n"
        )

    async def _converse(self, scope: calls.Scope, receive: calls.Receive, send: calls.Send) -> None:
        """Pass a WebSocket on; only an ASGI application can hold one."""
        converse: Any = getattr(self.dialect, "converse", None)
        if converse is None:
            await send({"type": "websocket.close", "code": 1003})
            return
        try:
            await converse(scope, receive, send)
        except Exception as error:
            if type(error).__name__ in _GONE:
                log.debug("the client closed the WebSocket")
                return
            log.exception("the function failed in a WebSocket")
            await send({"type": "websocket.close", "code": 1011})

    async def _fail(self, call: calls.Call, error: BaseException) -> None:
        """Answer a failed call, or cut the connection when its answer has begun; log what is the function's fault."""
        if isinstance(error, asyncio.CancelledError) and not call.expired:
            raise error  # the graceful stop has run out of time
        if (isinstance(error, problem.ClientGone) or type(error).__name__ in _GONE) and not call.expired:
            log.debug("the client closed the connection before the answer was complete")
            return
        status, detail, extra = self._judge(call, error)
        if call.started:
            log.error("the answer was cut off: %s", detail)
            call.cut()
            return
        await call.refuse(status, detail, **extra)

    def _judge(self, call: calls.Call, error: BaseException) -> tuple[int, str, dict[str, Any]]:
        """Return status, detail and further members of the problem document for ``error``, and log it."""
        if call.expired:
            detail = f"the function did not answer within spec.timeout ({self.settings.timeout_seconds:g}s)"
            log.error("%s; a synchronous handler goes on in its thread", detail)
            return 504, detail, {"timeout_seconds": self.settings.timeout_seconds}
        if isinstance(error, problem.Problem):
            log.info("refused with %d: %s", error.status, error.detail)
            return error.status, error.detail, error.extra
        if isinstance(error, replies.ReplyError):
            log.error("%s", error)
            return 500, "the function returned something that cannot be sent; its log says what", {}
        log.error("the function raised %s", type(error).__name__, exc_info=loading.trim(error))
        return 500, "the function failed; its log holds the traceback under this request id", {}

    def _log_call(self, call: calls.Call) -> None:
        started = call.deadline - self.settings.timeout_seconds
        fields = {
            "event": "call",
            "method": call.scope["method"],
            "path": call.scope["path"],
            "status": call.status,
            "milliseconds": round((call.loop.time() - started) * 1000, 1),
        }
        log.debug("%s %s %d", fields["method"], fields["path"], call.status, extra=fields)
