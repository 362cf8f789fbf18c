"""JSON lines from ``logging`` and ``print``, each with the id of the call it belongs to."""

from __future__ import annotations

import contextlib
import contextvars
import faulthandler
import io
import json
import logging
import os
import sys
import threading
import time
from typing import Any, Protocol, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_LONGEST_PENDING = 64 * 1024
"""Characters of an unfinished printed line that are kept; then it is written as it is."""


class Identity(Protocol):
    """What a log line says about the call it belongs to."""

    request_id: str

    @property
    def trace_id(self) -> str | None:
        """Trace id of the W3C ``traceparent`` header, None without one."""


current: contextvars.ContextVar[Identity | None] = contextvars.ContextVar("mayfly_call", default=None)
"""The call that this task or thread works for."""

_common: dict[str, str] = {}
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def configure(*, level: str, function: str, revision: str) -> None:
    """Send logging, ``print`` and stderr of this process out as JSON lines."""
    _common.update({"function": function, "revision": revision})
    handler = _Handler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    # Every failure in our application is caught and logged there; uvicorn would only say it a second time.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    faulthandler.enable(file=2)  # a crash in C leaves the Python stack, raw
    threading.excepthook = _log_thread
    sys.stdout = LineStream(sys.stdout, "stdout")
    sys.stderr = LineStream(sys.stderr, "stderr")


def _log_thread(failed: threading.ExceptHookArgs) -> None:
    """Log what a thread of the user's own died of as one record."""
    name = failed.thread.name if failed.thread else "unknown"
    error = failed.exc_value or failed.exc_type()
    logging.getLogger("threading").error("thread %s raised %s", name, type(error).__name__, exc_info=error)


def trace_id(traceparent: bytes | None) -> str | None:
    """Return the trace id of a W3C ``traceparent`` value, None where it has none (https://www.w3.org/TR/trace-context/)."""
    parts = traceparent.split(b"-") if traceparent else []
    return parts[1].decode("latin-1") if len(parts) >= 4 and len(parts[1]) == 32 else None  # noqa: PLR2004


def make_line(when: float, fields: dict[str, Any]) -> str:
    """Return one record: ``time`` (RFC 3339, UTC), ``fields``, what is common to the process, and the call's ids."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    line: dict[str, Any] = {"time": f"{stamp}.{int(when * 1000) % 1000:03d}Z"} | fields | _common
    call = current.get()
    if call is not None:
        line["request_id"] = call.request_id
        if call.trace_id is not None:
            line["trace_id"] = call.trace_id
    return _encode(line)


class JsonFormatter(logging.Formatter):
    """Turn a record into one JSON object: level, logger, message, the record's extras, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Render ``record`` as one line without a line feed."""
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        fields |= {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return make_line(record.created, fields)


class LineStream(io.TextIOBase):
    """Stand in for stdout or stderr: each line becomes a JSON record.

    Unfinished lines are kept per thread, since ``print("a", "b")`` writes its parts one by one.
    """

    def __init__(self, raw: TextIO, name: str) -> None:
        self._raw = raw
        self._name = name
        self._pending = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8: JSON is."""
        return "utf-8"

    @property
    def buffer(self) -> Any:
        """The real stream's bytes, for programs that write their own format."""
        return self._raw.buffer

    def fileno(self) -> int:
        """Return the real file descriptor."""
        return self._raw.fileno()

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write every complete line of ``text``, keep the rest."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, rest = (getattr(self._pending, "text", "") + text).split("\n")
        self._pending.text = rest
        for line in lines:
            self._emit(line)
        if len(rest) > _LONGEST_PENDING:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write this thread's unfinished line."""
        rest = getattr(self._pending, "text", "")
        if rest:
            self._pending.text = ""
            self._emit(rest)

    def _emit(self, line: str) -> None:
        if line:
            write_line(self._raw.fileno(), make_line(time.time(), _read_line(line, self._name)))


def _read_line(line: str, stream: str) -> dict[str, Any]:
    """Return the fields of a printed line: its own, if it is a JSON object, else the line as a message."""
    if line.startswith("{") and line.endswith("}"):
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(line)
            if isinstance(fields, dict):
                return fields
    level = "info" if stream == "stdout" else "error"
    return {"level": level, "logger": stream, "message": line, "stream": stream}


class _Handler(logging.Handler):
    """Write records to the real stderr, past whatever replaced ``sys.stderr``."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(2, self.format(record))
        except Exception:  # noqa: BLE001  (a log line never breaks a call)
            self.handleError(record)


_writing = threading.Lock()


def write_line(descriptor: int, line: str) -> None:
    """Write ``line`` and a line feed in one piece; a closed pipe is ignored."""
    data = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
    with _writing, contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
