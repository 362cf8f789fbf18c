"""What the gateway tells of the requests that it takes, through a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import yarl
from aiohttp import test_utils
from grpc import aio
from prometheus_client import parser

from mayfly.gateway import health
from mayfly.model import exposure, labels
from mayfly.routing import accesslog, edge, observation, observe
from tests.contract.gateway import conftest
from tests.unit.routing import objects

HOST = "hello.shop.example.com"
REVISION = "hello-00001"
PROBE = {"K-Network-Probe": "probe", "K-Network-Hash": "override"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
SPANS = "opentelemetry.proto.collector.trace.v1.TraceService"
REQUESTS = "mayfly_gateway_requests_total"
DURATION = "mayfly_gateway_request_duration_milliseconds"

Make = Callable[..., Awaitable[conftest.Gateway]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Give gateways of any observation, each with a function that has one instance."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))

        async def start(*, limits: edge.Limits | None = None, **wanted: Any) -> conftest.Gateway:
            told = observation.Observation(**wanted)
            made = conftest.Gateway(tmp_path, session, observation=told, limits=limits or edge.Limits())
            stack.push_async_callback(made.close)
            await made.control.server.start()
            await made.start_envoy()
            await conftest.until(made.ready, what="Envoy to be ready")
            await made.function(REVISION)
            made.put(make_service(), make_instances("10.0.0.1"), make_ingress())
            await made.serves(HOST)
            return made

        yield start


def make_service() -> dict[str, Any]:
    """Return the Service of the revision, as Knative labels it."""
    made = objects.service(REVISION)
    made["metadata"]["labels"] = {"serving.knative.dev/revision": REVISION}
    return made


def make_instances(*addresses: str) -> dict[str, Any]:
    """Return the slice of the revision's private Service."""
    made = objects.slice_(f"{REVISION}-private", *addresses, port=8012)
    made["metadata"]["labels"] |= {
        "serving.knative.dev/revision": REVISION,
        "networking.internal.knative.dev/serviceType": "Private",
    }
    return made


def make_ingress(http: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the ingress of the Function ``hello``, with its ``spec.http``."""
    made = objects.ingress("route-of-hello", objects.rule([HOST], objects.path(objects.split(REVISION))))
    made["metadata"]["labels"] = {labels.FUNCTION: "hello"}
    if http is not None:
        given = exposure.Exposure.model_validate({"http": http})
        made["metadata"]["annotations"][exposure.ANNOTATION] = given.model_dump_json(by_alias=True, exclude_unset=True)
    return made


async def read_log(gateway: conftest.Gateway, path: str) -> list[dict[str, Any]]:
    """Wait for the line of a request for ``path``; return all its lines."""

    def find() -> list[dict[str, Any]]:
        lines = (gateway.directory / "envoy.log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line["path"] == path]

    found: list[dict[str, Any]] = await conftest.until(find, what=f"the line of {path}")
    return found


async def read_page(gateway: conftest.Gateway) -> dict[str, Any]:
    """Return the metrics of control's page, parsed, by name."""
    state = health.State(gateway.table, envoy_port=gateway.metrics)
    async with test_utils.TestClient(test_utils.TestServer(health.make_app(state))) as client:
        answer = await client.get("/metrics")
        return {family.name: family for family in parser.text_string_to_metric_families(await answer.text())}


async def count(gateway: conftest.Gateway, **wanted: str) -> float:
    """Return how many requests with these labels were counted."""
    family = (await read_page(gateway)).get(REQUESTS.removesuffix("_total"))
    samples = [] if family is None else family.samples
    return float(sum(sample.value for sample in samples if wanted.items() <= sample.labels.items()))


async def test_each_request_is_a_line(make: Make) -> None:
    """A line is JSON, has exactly the fields that are documented, typed, and nothing of the query."""
    gateway = await make()
    headers = {"User-Agent": "test/1"}
    _, answer = await gateway.call(HOST, "/some/path?key=swordfish", method="POST", data=b"four", headers=headers)
    (line,) = await read_log(gateway, "/some/path")
    assert line.keys() == accesslog.FIELDS.keys() | {"listener"}
    numbers = {name: line.pop(name) for name in ("duration_ms", "upstream_ms", "bytes_in", "bytes_out")}
    assert all(isinstance(number, int) for number in numbers.values())
    assert (numbers["bytes_in"], numbers["bytes_out"]) == (4, int(answer["answer"]["content-length"]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "request_id": answer["headers"]["x-request-id"],
        "traceparent": None,
        "method": "POST",
        "host": HOST,
        "path": "/some/path",
        "protocol": "HTTP/1.1",
        "user_agent": "test/1",
        "client_address": "127.0.0.1",
        "client": None,
        "status": 200,
        "flags": "-",
        "details": "via_upstream",
        "namespace": "shop",
        "function": "hello",
        "revision": REVISION,
        "cold_start": False,
        "attempt": None,
        "listener": "public",
    }
    assert "swordfish" not in (gateway.directory / "envoy.log").read_text()


async def test_what_meets_no_instance_is_a_cold_start(make: Make) -> None:
    """The flag is that of the endpoints at the time of the request; the activator's own do not count as instances."""
    gateway = await make()

    async def is_cold(path: str) -> bool:
        await gateway.call(HOST, path)
        found: bool = (await read_log(gateway, path))[-1]["cold_start"]
        return found

    async def turns(path: str, *, cold: bool) -> bool:
        return await is_cold(path) is cold

    assert not await is_cold("/warm")
    gateway.put(make_instances())
    await conftest.until(lambda: turns("/cold", cold=True), what="a cold start")
    before = await count(gateway, cold_start="true")
    assert before >= 1
    gateway.put(make_instances("10.0.0.1"))
    await conftest.until(lambda: turns("/warm-again", cold=False), what="a warm call")
    assert await count(gateway, cold_start="true", function="hello", revision=REVISION, code="200") >= before


async def test_probes_leave_no_trace(make: Make) -> None:
    """A probe is neither logged nor counted; one of its two headers alone hides nothing."""
    gateway = await make()
    await gateway.call(HOST, "/first")
    await read_log(gateway, "/first")
    before = await count(gateway)
    await gateway.call(HOST, "/probe", headers=PROBE)
    for name, value in PROBE.items():
        await gateway.call(HOST, "/half", headers={name: value})
    assert await count(gateway) == before + 2
    await conftest.until(lambda: _has(gateway, "/half", 2), what="two lines")
    assert '"/probe"' not in (gateway.directory / "envoy.log").read_text()


async def _has(gateway: conftest.Gateway, path: str, number: int) -> bool:
    return len(await read_log(gateway, path)) == number


async def test_requests_are_counted_by_function_and_status(make: Make) -> None:
    """Each answer counts once under the function it was for, refusals too; a host that nobody has is nobody's."""
    gateway = await make()
    whose = {"namespace": "shop", "function": "hello"}
    before = {code: await count(gateway, code=code, **whose) for code in ("200", "418")}
    for path in ("/", "/", "/?status=418"):
        await gateway.call(HOST, path)
    await gateway.call("nobody.example.com")
    gateway.put(make_ingress({"rateLimit": {"total": {"requests": 1, "window": "1h"}}}))

    async def refuses() -> bool:
        return (await gateway.call(HOST))[0] == 429

    await conftest.until(refuses, what="the policy")
    assert await count(gateway, code="200", **whose) >= before["200"] + 2
    assert await count(gateway, code="418", **whose) == before["418"] + 1
    assert await count(gateway, code="429", **whose) >= 1
    assert await count(gateway, namespace="", function="", code="404") >= 1


async def test_durations_are_measured_by_function(make: Make) -> None:
    """The histogram has our buckets, and as many entries as there were requests."""
    gateway = await make()

    async def find() -> list[Any]:
        samples = (await read_page(gateway))[DURATION].samples
        return [sample for sample in samples if sample.labels.get("function") == "hello" and sample.value]

    found = await conftest.until(find, what="Envoy to merge its histograms")
    bounds = {sample.labels["le"] for sample in found if sample.name.endswith("_bucket")}
    assert bounds <= {"1", "2.5", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000"} | {
        "10000", "30000", "60000", "300000", "600000", "+Inf",
    }  # fmt: skip
    assert {sample.name.removeprefix(DURATION) for sample in found} >= {"_bucket", "_count"}


async def test_the_page_is_small_and_says_when_envoy_is_gone(make: Make) -> None:
    """Nothing of single clusters is on it; without Envoy it has control's own figures."""
    gateway = await make()
    page = await read_page(gateway)
    assert {"mayfly_gateway_ingresses", "envoy_server_uptime", "envoy_http_downstream_rq_active"} <= page.keys()
    assert not [name for name in page if name.startswith("envoy_cluster_upstream")]
    assert page["mayfly_gateway_envoy_up"].samples[0].value == 1
    await gateway.stop_envoy()
    page = await read_page(gateway)
    assert page["mayfly_gateway_envoy_up"].samples[0].value == 0
    assert page["mayfly_gateway_ingresses"].samples[0].value == 1


async def test_a_trace_context_passes_as_it_came(make: Make) -> None:
    """Without a collector the gateway adds nothing to a trace, and begins none in the function's place."""
    gateway = await make()
    assert "traceparent" not in (await gateway.call(HOST))[1]["headers"]
    given = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    _, answer = await gateway.call(HOST, "/traced", headers=given)
    assert {name: answer["headers"][name] for name in given} == given
    assert (await read_log(gateway, "/traced"))[0]["traceparent"] == given["traceparent"]


class Collector:
    """A collector of spans; it keeps what it gets as it is."""

    def __init__(self) -> None:
        self.received = b""
        self._server = aio.server()
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SPANS, {"Export": handler}),))

    async def start(self) -> int:
        """Begin to listen; return the port."""
        port: int = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Hang up."""
        await self._server.stop(grace=None)

    async def _export(self, request: bytes, _context: Any) -> bytes:
        self.received += request
        return b""


async def test_spans_reach_a_collector(make: Make) -> None:
    """With a collector the gateway's span stands between the client's and the function's, of the same trace.

    A trace that the client does not sample stays so; one that begins here is sampled by the share.
    """
    collector = Collector()
    port = await collector.start()
    try:
        gateway = await make(otlp_endpoint=f"127.0.0.1:{port}", sampling_percent=100.0)
        given = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        _, answer = await gateway.call(HOST, headers=given)
        trace, span, flags = TRACEPARENT.fullmatch(answer["headers"]["traceparent"]).groups()  # type: ignore[union-attr]
        assert (trace, span != PARENT, flags) == (TRACE, True, "01")
        _, answer = await gateway.call(HOST)
        begun, _, flags = TRACEPARENT.fullmatch(answer["headers"]["traceparent"]).groups()  # type: ignore[union-attr]
        assert flags == "01"
        unsampled = TRACE[::-1]
        _, answer = await gateway.call(HOST, headers={"traceparent": f"00-{unsampled}-{PARENT}-00"})
        assert answer["headers"]["traceparent"].endswith("-00")

        def has_all() -> bool:
            return all(bytes.fromhex(found) in collector.received for found in (TRACE, PARENT, span, begun))

        await conftest.until(has_all, what="the spans")
        assert bytes.fromhex(unsampled) not in collector.received
        assert b"mayfly-gateway" in collector.received
    finally:
        await collector.stop()


async def test_a_share_of_nothing_exports_nothing_of_its_own(make: Make) -> None:
    """A trace that begins here is not sampled where the share is 0, and says so to the function."""
    gateway = await make(otlp_endpoint="127.0.0.1:1", sampling_percent=0.0)
    _, answer = await gateway.call(HOST)
    assert TRACEPARENT.fullmatch(answer["headers"]["traceparent"]).group(3) == "00"  # type: ignore[union-attr]


async def test_the_log_can_be_of_failures_only(make: Make) -> None:
    """Below the minimum status nothing is written, and everything is counted all the same."""
    gateway = await make(log_minimum_status=500)
    for path in ("/good", "/bad?status=500"):
        await gateway.call(HOST, path)
    await read_log(gateway, "/bad")
    assert '"/good"' not in (gateway.directory / "envoy.log").read_text()
    assert await count(gateway, function="hello", code="200") >= 1


async def test_the_log_can_be_off(make: Make) -> None:
    """Nothing is written once the log is off."""
    gateway = await make(log=False)
    await gateway.call(HOST, "/quiet")
    await gateway.stop_envoy()
    assert "/quiet" not in (gateway.directory / "envoy.log").read_text()


@pytest.mark.parametrize(
    ("host", "path", "headers", "expected"),
    [
        pytest.param("nobody.example.com", "/", {}, (404, "no function serves this host and path"), id="no-function"),
        pytest.param("empty.example.com", "/", {}, (503, "no instance of the function answers"), id="no-endpoint"),
        pytest.param("dead.example.com", "/", {}, (503, "no instance of the function answers"), id="nobody-listens"),
        pytest.param(HOST, "/a%2Fb", {}, (400, "the request is not valid HTTP"), id="escaped-slash"),
        pytest.param(HOST, "/", {"x_y": "1"}, (400, "the request is not valid HTTP"), id="underscore"),
        pytest.param(HOST, "/", {"x": "y" * 70_000}, (431, "the headers are larger than the limit"), id="headers"),
    ],
)
async def test_refusals_say_what_is_wrong(
    make: Make, host: str, path: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """What Envoy answers by itself is a problem document (RFC 9457), with the request's id and without any address."""
    gateway, (status, detail) = await make(), expected
    rules = [objects.rule([f"{name}.example.com"], objects.path(objects.split(name))) for name in ("empty", "dead")]
    dead = objects.slice_("dead", "127.0.0.1", port=1)
    gateway.put(objects.service("dead"), dead, objects.ingress("others", *rules))
    url = f"http://127.0.0.1:{gateway.public}{path}"

    async def ask() -> tuple[int, str, dict[str, Any]]:
        async with gateway.session.get(yarl.URL(url, encoded=True), headers={"Host": host, **headers}) as answer:
            return answer.status, answer.content_type, json.loads(await answer.text() or "{}")

    async def answers() -> tuple[int, str, dict[str, Any]] | None:
        found = await ask()
        return found if found[2].get("detail", "").startswith(detail) else None

    found_status, content_type, problem = await conftest.until(answers, what=detail)
    assert (found_status, content_type) == (status, "application/problem+json")
    assert (problem["type"], problem["status"], bool(problem["title"])) == ("about:blank", status, True)
    assert "127.0.0.1" not in json.dumps(problem)


async def test_a_slow_client_is_told_so(make: Make) -> None:
    """A request of which not even the headers arrive in time is answered 408 in the same form."""
    gateway = await make(limits=edge.Limits(headers=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.public)
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), conftest.DEADLINE_SECONDS)).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 408 ")
    assert json.loads(answer.partition("\r\n\r\n")[2])["detail"] == "the request did not arrive whole in time"


async def test_a_grpc_client_gets_its_own_kind_of_refusal(make: Make) -> None:
    """Status 200, ``grpc-status`` and a sentence in ``grpc-message``."""
    gateway = await make()
    status, answer = await gateway.call("nobody.example.com", headers={"Content-Type": "application/grpc"})
    found = {name: answer["answer"].get(name) for name in ("content-type", "grpc-status", "grpc-message")}
    unimplemented = "12"
    expected = {"grpc-status": unimplemented, "grpc-message": "no function serves this host and path"}
    assert (status, found) == (200, {"content-type": "application/grpc", **expected})


@pytest.mark.parametrize("status", [404, 429, 503])
async def test_a_functions_own_errors_pass_untouched(make: Make, status: int) -> None:
    """An error that the function answers keeps its body and type."""
    gateway = await make()
    found, answer = await gateway.call(HOST, f"/?status={status}")
    assert (found, answer["function"]) == (status, REVISION)
    assert answer["answer"]["content-type"].startswith("application/json")


async def test_redirects_have_no_problem(make: Make) -> None:
    """A redirect that Envoy makes stays as it is."""
    gateway = await make()
    rule = objects.rule(["moved.example.com"], objects.path(objects.split(REVISION)))
    gateway.put(objects.ingress("moved", rule, httpOption="Redirected"))

    async def redirects() -> dict[str, Any] | None:
        status, answer = await gateway.call("moved.example.com")
        return answer if status == 301 else None

    answer = await conftest.until(redirects, what="a redirect")
    assert answer["text"] == ""


def test_metadata_is_ours_alone() -> None:
    """What says whose a request was is under one name, which no filter of Envoy's uses."""
    assert observe.make_identity(namespace="a", function="b").filter_metadata.keys() == {observe.METADATA}
