"""The controller's edges over real HTTP: what it asks of the builder, what it answers to probes and Prometheus."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import test_utils, web

from mayfly import errors
from mayfly.controller import building, metrics, process, secret
from mayfly.model import build

REQUEST = build.BuildRequest.model_validate(
    {"namespace": "shop", "name": "hello", "source": {"inline": {"files": {"a.py": ""}}}}
)
DONE = {"state": "succeeded", "fingerprint": "f", "image": "i"}


class Script:
    """A server that answers what it is told."""

    def __init__(self):
        self.status, self.body = 200, DONE
        self.seen = []

    async def handle(self, request):
        self.seen.append(request)
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body)
        return web.json_response(self.body, status=self.status)


@pytest.fixture
def script():
    return Script()


@pytest.fixture
async def ask(script, tmp_path):
    """Ask the scripted builder."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    app = web.Application()
    app.router.add_post("/v1/builds", script.handle)
    async with test_utils.TestServer(app) as server, aiohttp.ClientSession() as session:
        token = secret.Token(None, "mayfly-system", file)
        client = building.BuilderClient(session, str(server.make_url("/")), token)

        async def call():
            return await client.ask(request=REQUEST, wait_seconds=0.5)

        yield call


async def test_what_is_asked(ask, script):
    """The whole request, the token of the moment, and how long to wait."""
    assert (await ask()).image == "i"
    (seen,) = script.seen
    assert seen.headers["Authorization"] == "Bearer secret"
    assert seen.query["wait"] == "0.5"


REFUSALS = {
    "bad request": (400, {"detail": "source: too odd"}, errors.SourceError, "source: too odd"),
    "too large": (413, {"detail": "too large"}, errors.SourceError, "too large"),
    "wrong token": (401, {}, errors.BuilderUnavailable, "refuses the internal token"),
    "full": (429, {"detail": "100 wait"}, errors.BuilderUnavailable, "queue is full: 100 wait"),
    "out of order": (503, "oops", errors.BuilderUnavailable, "answered 503"),
    "no JSON": (200, "<html>", errors.BuilderUnavailable, "not a build status"),
    "no status": (200, {"state": "odd"}, errors.BuilderUnavailable, "not a build status"),
    "endless": (200, "x" * (building.MAX_ANSWER_BYTES + 1), errors.BuilderUnavailable, "exceeds"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_is_not_an_answer(ask, script, case):
    """What the author must mend is told from what time mends."""
    script.status, script.body, error, said = REFUSALS[case]
    with pytest.raises(error, match=said):
        await ask()


async def test_nobody_there(tmp_path):
    """The address is in the message."""
    file = tmp_path / "token"
    file.write_text("secret")
    async with aiohttp.ClientSession() as session:
        token = secret.Token(None, "mayfly-system", file)
        client = building.BuilderClient(session, "http://127.0.0.1:1", token)
        with pytest.raises(errors.BuilderUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
            await client.ask(request=REQUEST, wait_seconds=0)


async def test_probes_and_figures():
    """Ready once prepared, leading or not; the figures are there from the start."""
    state = metrics.State()
    async with (
        process.serve(state, port=0, host="127.0.0.1") as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def get(path):
            async with session.get(path) as response:
                return response.status, await response.text()

        assert (await get("/healthz"))[0] == 200
        assert (await get("/readyz"))[0] == 503
        state.prepared = True
        assert (await get("/readyz"))[0] == 200
        _, text = await get("/metrics")
    for name in ("mayfly_leader 0.0", "mayfly_queue_depth 0.0", "mayfly_reconcile_seconds_count", "mayfly_functions"):
        assert name in text
