"""One table of promises, held by every dialect over real HTTP."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import json
import socket
import struct

import httpx2
import pytest

BINARY = bytes(range(256)) * 40
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test"}


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to write a function: its folder, its dialect, and what sets it apart."""

    case: str
    signature: str
    packages: str = "none"
    handler: str = "main:handle"
    streams: bool = True
    reads_itself: bool = False
    threads: bool = True
    own_errors: bool = False
    whole_request: bool = True
    """Whether the function sees path and query; one of checked values sees the body only."""

    of_events: bool = False

    def settings(self):
        return {"packages": self.packages, "MAYFLY_SIGNATURE": self.signature, "MAYFLY_HANDLER": self.handler}


WAYS = [
    Way("plain_sync", "http"),
    Way("plain_async", "http", threads=False),
    Way("starlette_async", "http", "starlette", reads_itself=True, threads=False),
    Way("flask_sync", "http", "framework"),
    Way("framework_http", "http", "framework"),
    Way("framework_aio", "http", "framework", reads_itself=True, threads=False),
    Way("event_sync", "cloudevent", of_events=True, streams=False),
    Way("event_async", "cloudevent", of_events=True, streams=False, threads=False),
    Way("event_sdk_core", "cloudevent", "cloudevents", of_events=True, streams=False),
    Way("event_sdk_v1", "cloudevent", "cloudevents", of_events=True, streams=False),
    Way("framework_event", "cloudevent", "framework", of_events=True, streams=False),
    Way("aws", "lambda", handler="main.handle", streams=False),
    Way("aws_async", "lambda", streams=False, threads=False),
    Way("typed_sync", "typed", streams=False, whole_request=False),
    Way("knative", "knative", handler="function:new", reads_itself=True, threads=False),
    Way("knative_event", "knative", "cloudevents", of_events=True, streams=False, threads=False),
    Way("knative_main", "knative", handler="func:main"),
    Way("openfaas", "openfaas", handler="handler:handle"),
    Way("azure", "azure", "azure", handler="function_app:app", streams=False),
    Way("fission", "fission", "framework", handler="main:main"),
    Way("nuclio", "nuclio"),
    Way("openwhisk", "openwhisk", handler="main:main", streams=False),
    Way("asgi", "asgi", handler="main:app", reads_itself=True, threads=False),
    Way("wsgi", "wsgi", handler="main:app"),
    Way("flask_wsgi", "wsgi", "framework", handler="main:app", own_errors=True),
]


@pytest.fixture(params=WAYS, ids=lambda way: way.case)
def way(request):
    return request.param


def only(ways):
    return pytest.mark.parametrize("way", ways, ids=lambda way: way.case, indirect=True)


STREAMING = only([way for way in WAYS if way.streams])
BUFFERED = only([way for way in WAYS if not way.reads_itself and way.whole_request])


@pytest.fixture
def launch(start, way):
    """Start this way's function."""
    return lambda **env: start(way.case, **way.settings() | env).ready()


def make_request(way, op, *, name=None, data=None, headers=None):
    """Return method, path and arguments that ask this way's function for `op`."""
    kind = "application/octet-stream" if isinstance(data, bytes) else "application/json"
    content = data if isinstance(data, bytes) else json.dumps(data).encode() if data is not None else None
    sent = dict(headers or {}) | ({"content-type": kind} if content is not None else {})
    if way.of_events:
        subject = {"ce-subject": "".join(f"%{byte:02X}" for byte in name.encode())} if name else {}
        return "POST", "/", {"headers": EVENT | {"ce-type": op} | subject | sent, "content": content}
    if not way.whole_request:
        body = {"op": op, "name": name} | ({} if data is None else wrap(data))
        return "POST", "/", {"headers": sent | {"content-type": "application/json"}, "content": json.dumps(body)}
    params = {"name": name} if name else None
    return "GET" if content is None else "POST", f"/{op}", {"headers": sent, "content": content, "params": params}


def wrap(data):
    """Return bytes and others as members of a JSON object."""
    return {"raw": base64.b64encode(data).decode()} if isinstance(data, bytes) else {"data": data}


def ask(runtime, way, op, **kwargs):
    method, path, arguments = make_request(way, op, **kwargs)
    return runtime.request(method, path, **arguments)


def test_answers(launch, way):
    """Text, JSON, bytes and nothing arrive and come back whole; an exception gives 500 without a traceback."""
    runtime = launch()

    greeting = ask(runtime, way, "greet", name="Zoë 漢")
    assert (greeting.status_code, greeting.json()) == (200, {"greeting": "Grüße, Zoë 漢"})

    upper = ask(runtime, way, "upper", data={"text": "straße"})
    assert upper.json()["text"] == "STRASSE"
    assert upper.json()["thread"].startswith("worker-") is way.threads

    reverse = ask(runtime, way, "reverse", data=BINARY)
    assert reverse.content == BINARY[::-1]
    assert reverse.headers["content-type"] == "application/octet-stream"

    empty = ask(runtime, way, "empty")
    assert (empty.status_code, empty.content) == (204, b"")


def test_exception(launch, way):
    """An exception gives 500 with the request id and no traceback; the traceback is one log record."""
    runtime = launch()
    failed = ask(runtime, way, "fail", headers={"x-request-id": "failing-1"})
    assert failed.status_code == 500
    assert failed.headers["x-request-id"] == "failing-1"
    assert "secret" not in failed.text
    assert "Traceback" not in failed.text
    if not way.own_errors:  # an application object has its own error page
        assert failed.headers["content-type"] == "application/problem+json"
        assert failed.json()["request_id"] == "failing-1"
    record = runtime.record(request_id="failing-1", level="error")
    assert "secret detail" in record["exception"]
    assert "ops.py" in record["exception"]
    assert (record["function"], record["revision"]) == (way.case, f"{way.case}-00001")

    left = ask(runtime, way, "leave")
    assert left.status_code == 500
    assert ask(runtime, way, "empty").status_code == 204, "sys.exit() in a handler does not stop the server"


def test_request_id(launch, way):
    """A valid id is taken over, anything else is replaced; prints and records of the call carry it."""
    runtime = launch()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"x-request-id": "order.42_a-b", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}

    given = ask(runtime, way, "upper", data={"text": "a"}, headers=headers)
    assert given.headers["x-request-id"] == "order.42_a-b"
    printed = runtime.record(message="upper a")
    assert (printed["request_id"], printed["trace_id"], printed["stream"]) == ("order.42_a-b", trace, "stdout")

    for bad in ("", "two words", "a" * 129, "ü"):
        made = ask(runtime, way, "empty", headers={"x-request-id": bad.encode()}).headers["x-request-id"]
        assert len(made) == 32
        assert int(made, 16) >= 0


def test_timeout(launch, way):
    """A call past its deadline gets 504 naming the limit; the server goes on."""
    runtime = launch(MAYFLY_TIMEOUT_SECONDS="0.5", MAYFLY_CONCURRENCY="1")
    for attempt in ("late-1", "late-2"):
        late = ask(runtime, way, "hang", headers={"x-request-id": attempt})
        assert (late.status_code, late.headers["content-type"]) == (504, "application/problem+json")
        assert "spec.timeout (0.5s)" in late.json()["detail"]
        assert late.json()["request_id"] == attempt
        runtime.record(request_id=attempt, level="error")
    if not way.threads:
        runtime.passed("cancelled")
    assert ask(runtime, way, "empty").status_code == 204, "a stuck thread does not keep the only place"


def test_concurrency(launch, way):
    """As many calls as `concurrency` says are inside the function at once."""
    runtime = launch(MAYFLY_CONCURRENCY="4")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(runtime, way, "meet"), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 204}


def test_graceful_stop(launch, way):
    """SIGTERM: the call in flight is finished, readiness ends, the exit code is 0."""
    runtime = launch()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, runtime.client() as probe:
        assert probe.get("/healthz/ready").status_code == 200
        call = pool.submit(ask, runtime, way, "drain")
        runtime.passed("began")
        runtime.terminate()
        runtime.record(event="stopping")
        with pytest.raises(httpx2.TransportError):
            runtime.request("GET", "/healthz/ready")
        runtime.open("open")
        answer = call.result()
    assert answer.status_code in {200, 204}, answer.text
    assert runtime.exit_code() == 0


@STREAMING
def test_stream(launch, way):
    """Pieces arrive as they are made; the connection serves again afterwards."""
    runtime = launch()
    with runtime.client() as client:
        with client.stream("GET", "/stream") as answer:
            assert answer.status_code == 200
            pieces = answer.iter_raw()
            assert next(pieces) == b"first\n"
            runtime.open("open")
            assert b"".join(pieces) == "zweites: ü\n".encode()
        assert client.get("/empty").status_code == 204


@STREAMING
def test_stream_past_deadline_is_cut(launch, way):
    """An answer that has begun cannot become a 504: its connection is cut, so that it is not taken for whole."""
    runtime = launch(MAYFLY_TIMEOUT_SECONDS="0.5")
    with runtime.client() as client, client.stream("GET", "/stream") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()


def test_abandoned_body(launch, way):
    """A client that leaves in mid-body never makes a call: half a body is not a body."""
    runtime = launch()
    headers = "".join(f"{name}: {value}\r\n" for name, value in (EVENT | {"ce-type": "reverse"}).items())
    with runtime.connect() as connection:
        connection.sendall(
            f"POST /reverse HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/octet-stream\r\n"
            "Content-Length: 1000\r\n\r\nabc".encode()
        )
        # leave with a reset, as a crashed client does
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if way.case == "asgi":
        runtime.passed("disconnected")
    else:
        runtime.record(message="the client closed the connection before the answer was complete")
    assert ask(runtime, way, "empty").status_code == 204
    assert not (runtime.gates / "called-reverse").exists()


@BUFFERED
def test_large_body(launch, way):
    """A body above the limit gets 413, whether its length is announced or not; ASGI applications set their own."""
    runtime = launch(MAYFLY_MAX_BODY_BYTES="1000")
    assert ask(runtime, way, "empty", data=b"x" * 1000).status_code == 204
    assert ask(runtime, way, "empty", data=b"x" * 1001).status_code == 413

    _, path, arguments = make_request(way, "empty", data=b"")
    arguments["content"] = (b"y" * 600 for _ in range(2))
    refused = runtime.request("POST", path, **arguments)
    assert refused.status_code == 413
    assert "1000 bytes" in refused.json()["detail"]
