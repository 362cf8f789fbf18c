"""``wsgi``: an application object (PEP 3333), run in one worker from its first line to its last."""

from __future__ import annotations

import io
import sys
import urllib.parse
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from mayfly_runtime import calls, dialects, failures, replies
from mayfly_runtime.dialects import asgi

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None


def make(target: Any, context: dialects.Context) -> dialects.Dialect:
    """Return the dialect around an application or a factory of one.

    Raises:
        HandlerError: ``target`` is not callable.
    """
    application = asgi.call_factory(target)
    if not callable(application):
        raise failures.HandlerError(f"{context.settings.handler} is {type(target).__name__}, not a WSGI application")
    return Application(application, context)


class Application(dialects.Dialect):
    """A WSGI application."""

    def __init__(self, application: Callable[..., Any], context: dialects.Context) -> None:
        self._application = application
        self._workers = context.workers

    async def answer(self, call: calls.Call) -> None:
        """Run the application in a worker; its body is streamed unless it comes in one piece."""
        environ = make_environ(call.scope, await call.read_body())
        exchange = _Exchange(call)
        try:
            reply = await self._workers.run(exchange.run, self._application, environ)
            if reply is not None:
                await call.respond(reply.status, reply.headers, reply.body)
            elif exchange.stream is not None:
                await exchange.stream.finish()
        finally:
            exchange.close()


class _Exchange:
    """One run of an application, in its worker: ``start_response``, ``write`` and the body."""

    def __init__(self, call: calls.Call) -> None:
        self.stream: calls.Stream | None = None
        self._call = call
        self._status = 0
        self._headers: calls.Headers = []
        self._length: int | None = None

    def run(self, application: Callable[..., Any], environ: dict[str, Any]) -> replies.Reply | None:
        """Call the application; return its response if it is whole, None when it has been streamed."""
        body = application(environ, self._start_response)
        try:
            return self._consume(body)
        finally:
            if hasattr(body, "close"):
                body.close()

    def close(self) -> None:
        """Stop streaming."""
        if self.stream is not None:
            self.stream.close()

    def _consume(self, body: Iterable[bytes]) -> replies.Reply | None:
        """Send the pieces of ``body``; a first piece as long as the stated Content-Length is the whole."""
        whole = b"".join(body) if isinstance(body, list | tuple) else None
        for piece in body if whole is None else ():
            if not piece:
                continue
            if self.stream is None and len(piece) == self._length:
                whole = piece
            else:
                self._write(piece)
        if self.stream is None:
            return self._make_reply(whole or b"")
        if whole:
            self._write(whole)
        return None

    def _make_reply(self, body: bytes) -> replies.Reply:
        if not self._status:
            raise RuntimeError("the application returned without calling start_response")
        if self._call.scope["method"] == "HEAD" and self._length:
            body = bytes(self._length)  # only its length is sent
        return replies.Reply(self._status, self._headers, body)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo = None
    ) -> Callable[[bytes], object]:
        if exc_info and exc_info[1] is not None and self._call.started:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and not exc_info:
            raise RuntimeError("start_response was called twice")
        self._status = replies.read_status(status)
        self._headers = replies.make_headers([(name, value.encode("latin-1")) for name, value in headers])
        lengths = [value for name, value in headers if name.lower() == "content-length" and value.isdigit()]
        self._length = int(lengths[0]) if lengths else None
        return self._write

    def _write(self, piece: bytes) -> None:
        if self.stream is None:
            if not self._status:
                raise RuntimeError("the application sent its body before calling start_response")
            length = [] if self._length is None else [(b"content-length", b"%d" % self._length)]
            self.stream = calls.Stream(self._call, self._status, self._headers + length)
        self.stream.write_from_thread(piece)


def make_environ(scope: calls.Scope, body: bytes) -> dict[str, Any]:
    """Return the environ of a request (PEP 3333, section environ Variables).

    Header names with an underscore are left out: they would be taken for the same name with a hyphen.
    """
    server, client = scope.get("server") or ("localhost", 80), scope.get("client")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REQUEST_URI": scope["raw_path"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    return environ


def _add_headers(environ: dict[str, Any], headers: calls.Headers) -> None:
    for raw, value in headers:
        if b"_" in raw or raw in {b"content-length", b"transfer-encoding", b"proxy"}:
            continue
        name, text = raw.decode("latin-1").upper().replace("-", "_"), value.decode("latin-1")
        key = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
    forwarded = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[0].strip()
    if forwarded in {"http", "https"}:
        environ["wsgi.url_scheme"] = forwarded
