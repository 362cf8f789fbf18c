"""What keeps a function from being served, told to its author."""

from __future__ import annotations

import pytest

BROKEN = {
    "missing package": (
        "broken_import",
        {},
        1,
        ["ModuleNotFoundError in main.py:2: No module named 'requestz'", "'requestz' to requirements.txt"],
    ),
    "exception at import": ("broken_dependency", {}, 1, ["ConnectionError in main.py:3: no database at db:5432"]),
    "syntax error": ("broken_syntax", {}, 1, ["SyntaxError in main.py:1: '(' was never closed"]),
    "exit at import": ("broken_exit", {}, 1, ["SystemExit in main.py:3: configuration missing"]),
    "no such function": (
        "shapes",
        {"MAYFLY_HANDLER": "main:hello"},
        3,
        ["main.py has no 'hello'", "handler main:hello", "two, handle, describe, strict"],
    ),
    "not callable": ("shapes", {"MAYFLY_HANDLER": "main:answer"}, 3, ["'answer' is str, which cannot be called"]),
    "no such module": ("shapes", {"MAYFLY_HANDLER": "app:handle"}, 3, ["there is no app.py", "it holds main.py"]),
    "no handler set": ("shapes", {"MAYFLY_HANDLER": ""}, 3, ["MAYFLY_HANDLER='' must be module:attribute"]),
    "wrong arguments": (
        "shapes",
        {"MAYFLY_HANDLER": "main:two"},
        3,
        ["main:two takes (event, context), but signature 'http' calls it with 1 argument"],
    ),
    "unknown dialect": ("shapes", {"MAYFLY_SIGNATURE": "soap"}, 3, ["'soap' must be one of http, cloudevent, lambda"]),
    "failed start-up": (
        "asgi_lifespan",
        {"MAYFLY_SIGNATURE": "asgi", "MAYFLY_HANDLER": "main:app", "LIFESPAN": "fail"},
        1,
        ["the application's start-up failed: no database"],
    ),
    "bad setting": ("shapes", {"MAYFLY_CONCURRENCY": "many"}, 1, ["MAYFLY_CONCURRENCY='many' must be a number"]),
    "bad port": ("shapes", {"PORT": "99999"}, 1, ["PORT='99999' must be a number from 0 to 65535"]),
}


@pytest.mark.parametrize(("case", "env", "code", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_failed_load(start, case, env, code, words):
    """The process ends with the agreed code and leaves the reason first, then the end of the traceback."""
    runtime = start(case, **env)
    assert runtime.exit_code() == code
    left = runtime.termination.read_text()
    assert len(left.encode()) <= 4096
    for word in words:
        assert word in left.splitlines()[0]
    if case.startswith("broken"):
        assert 'main.py", line' in left.partition("\n")[2]
        assert "importlib" not in left
        assert runtime.record(event="load-failed")["message"] == left.splitlines()[0]


def test_readiness_follows_the_load(start):
    """Live from the start; ready only once the handler is imported; calls that come earlier wait."""
    runtime = start("slow_import")
    with runtime.client() as client:
        runtime.passed("importing")
        assert client.get("/healthz/live").status_code == 200
        assert client.get("/healthz/ready").status_code == 503
        runtime.open("open")
        assert client.get("/early").text == "loaded"
        assert client.get("/healthz/ready").status_code == 200
        assert client.get("/healthz/live").status_code == 200


def test_stop_before_the_load(start):
    """A process told to stop while it imports ends at once and in good order."""
    runtime = start("slow_import")
    runtime.passed("importing")
    runtime.record(event="listening")
    runtime.terminate()
    assert runtime.exit_code() == 0


def test_phases_of_a_cold_start(start):
    """The record `ready` splits the start into phases in milliseconds."""
    phases = start("plain_sync").record(event="ready")["phases"]
    assert list(phases) == ["interpreter_ms", "server_ms", "import_ms", "total_ms"]
    assert phases["total_ms"] == pytest.approx(sum(phases.values()) - phases["total_ms"], abs=0.5)


def test_nothing_heavy_is_imported(start):
    """A start pays for what it uses: no command line, no multiprocessing, no WebSocket library, no other parser."""
    modules = start("modules").ready().request("GET", "/").json()
    unwanted = ("click", "h11", "websockets", "multiprocessing", "yaml", "dotenv", "pydantic", "email.parser", "uuid")
    assert [name for name in unwanted if name in modules] == []
    assert "uvicorn.main" not in modules


def test_the_function_comes_first_on_the_path(start):
    """Code before the standard library, dependencies after it, the runtime last; children get code and dependencies."""
    runtime = start("modules", MAYFLY_HANDLER="main:path").ready()
    seen = runtime.request("GET", "/").json()
    path = seen["path"]
    code, dependencies = path.index(seen["code"]), path.index(seen["dependencies"])
    assert code == 0
    assert dependencies > next(index for index, entry in enumerate(path) if entry.endswith("lib-dynload"))
    assert path[-1].endswith(seen["runtime"])
    assert seen["child"] == f"{seen['code']}:{seen['dependencies']}"


def test_the_lean_package_is_still_whole(start):
    """A function that uses uvicorn itself finds all of it."""
    runtime = start("modules", packages="click", MAYFLY_HANDLER="main:uvicorn_names").ready()
    assert runtime.request("GET", "/").json()["version"]


def test_event_loop_of_a_thread(start):
    """`asyncio.get_event_loop().run_until_complete()`, often written in synchronous handlers, works."""
    runtime = start("legacy_loop").ready()
    assert runtime.request("GET", "/").json() == {"got": 42}
