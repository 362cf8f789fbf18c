"""Every kind of result a plain function may return, by path."""

import datetime
import decimal
import http
import io

answer = "not callable"


def two(event, context):
    return None


def _pieces():
    yield "a"
    yield b"b"


def _failing():
    yield "a"
    raise ValueError("half way")


def _failing_at_once():
    raise ValueError("at once")
    yield


RESULTS = {
    "text": lambda: "grüße",
    "bytes": lambda: b"\x00\xff",
    "dict": lambda: {"ü": [1, None]},
    "list": lambda: [1, 2],
    "number": lambda: 4.5,
    "other": lambda: {"day": datetime.date(2030, 1, 2), "price": decimal.Decimal("1.10")},
    "none": lambda: None,
    "status": lambda: ({"made": True}, 201),
    "enum": lambda: ("gone", http.HTTPStatus.GONE),
    "headers": lambda: ("<b>", 200, {"Content-Type": "text/html", "X-Many": ["a", "b"], "Set-Cookie": "a=1"}),
    "pairs": lambda: ("x", [("X-One", "1")]),
    "empty-status": lambda: (None, 304),
    "generator": _pieces,
    "failing": _failing,
    "failing-at-once": _failing_at_once,
    "file": lambda: io.BytesIO(b"file" * 50_000),
    "object": lambda: object(),
    "bad-status": lambda: ("x", 99),
    "bad-header": lambda: ("x", 200, {"X-Bad": "a\r\nX-Injected: 1"}),
    "four": lambda: (1, 2, 3, 4),
    "not-json": lambda: {"x": object()},
}


def handle(request):
    return RESULTS[request.path.strip("/")]()


def describe(request):
    return {
        "method": request.method,
        "path": request.path,
        "url": request.url,
        "host": request.host,
        "args": request.args.to_dict(flat=False),
        "number": request.args.get("n", 0, type=int),
        "agent": request.headers["USER-AGENT"],
        "cookies": request.cookies,
        "form": request.form.to_dict(flat=False),
        "files": {name: [file.filename, file.read().decode()] for name, file in request.files.items()},
        "json": request.get_json(silent=True),
        "remote": request.remote_addr,
    }


def strict(request):
    return {"got": request.get_json()}
