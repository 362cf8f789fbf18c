"""What a caller may claim: who it is, where it comes from, which host and revision it wants, where a name leads."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mayfly.routing import edge
from tests.contract.gateway import conftest, raw, strangers
from tests.unit.routing import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST, LOCAL = strangers.HOST, strangers.LOCAL
LISTENERS: tuple[strangers.Listener, ...] = ("public", "secure", "internal")
PROXY = "127.0.0.2"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[strangers.Stand]:
    async with strangers.run(
        tmp_path_factory.mktemp("gateway"),
        tls=True,
        trusted_proxies=(f"{PROXY}/32", "2001:db8::/32"),
        external_names=("localhost",),
        limits=edge.Limits(farewell=0.05),
    ) as made:
        yield made


async def call(
    stand: strangers.Stand, *lines: str, listener: strangers.Listener = "public", source: str | None = None
) -> raw.Seen:
    """Send header lines; return what the function sees."""
    head = "".join(f"{line}\r\n" for line in ("GET / HTTP/1.1", f"Host: {HOST}", *lines, ""))
    answers = await stand.exchange(head, listener=listener, source=source)
    assert answers[0].status == 200
    (request,) = stand.function.take()
    return request


FORGED = [
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "X-Envoy-Retry-On",
    "X-Envoy-Original-Path",
    "X-Envoy-Internal",
    "X-Envoy-External-Address",
    "X-Envoy-Force-Trace",
    "X-Forwarded-Client-Cert",
    "K-Proxy-Request",
    "K-Kubelet-Probe",
    "Knative-Serving-Revision",
    "Knative-Serving-Namespace",
    "Knative-Serving-Default-Route",
    "X-Mayfly-Listener",
    "X-Mayfly-Client",
    "X-Mayfly-Anything",
]
"""Never believed, whoever sends them."""
STRANGE = [
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Anything",
    "Forwarded",
    "X-Real-IP",
    "K-Original-Host",
    "K-Passthrough-Lb",
    "Proxy",
    "Proxy-Authorization",
]
"""Not believed of strangers."""


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("name", FORGED + STRANGE)
async def test_forged_headers_do_not_arrive(stand: strangers.Stand, name: str, listener: strangers.Listener) -> None:
    """A name in any spelling, once or often, is removed; inside, callers may say what a gateway before them said."""
    for lines in ([f"{name}: forged"], [f"{name.upper()}:forged", f"{name.lower()}: \tforged"]):
        request = await call(stand, *lines, listener=listener)
        passes = listener == "internal" and name in STRANGE
        assert ("forged" in ", ".join(request.values(name.lower()))) == passes
        assert passes or b"forged" not in request.head


async def test_the_address_and_the_scheme_are_the_connections(stand: strangers.Stand) -> None:
    """``X-Forwarded-For`` and ``-Proto`` say, once each, what the gateway itself saw."""
    claims = ["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 7.7.7.7, 8.8.8.8", "X-Forwarded-Proto: gopher"]
    for listener, scheme in (("public", "http"), ("secure", "https")):
        request = await call(stand, *claims, listener=listener)
        (address,) = request.values("x-forwarded-for")
        assert len(address.split(",")) == 1
        assert address not in {"6.6.6.6", "7.7.7.7", "8.8.8.8"}
        assert request.values("x-forwarded-proto") == [scheme]


@pytest.mark.parametrize(
    "line",
    [
        "Knative-Serving-Tag: new",
        "K-Network-Hash: other",
        "K-Network-Probe: probe",
        "Authorization: Bearer x",
        "Cookie: a=b",
        "User-Agent: curl/8 kube-probe/1.30",
        "X-HTTP-Method-Override: DELETE",
        "Tracestate: a=b",
    ],
)
async def test_what_is_the_callers_own_arrives(stand: strangers.Stand, line: str) -> None:
    """Headers that belong to the caller and the function pass untouched."""
    name, _, value = line.partition(": ")
    assert (await call(stand, line)).values(name.lower()) == [value]


async def test_traces_go_on_and_request_ids_are_ours(stand: strangers.Stand) -> None:
    """A ``traceparent`` keeps its trace; a stranger's request id is replaced by ours, a caller's inside stays."""
    lines = (f"Traceparent: 00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id: forged")
    outside = await call(stand, *lines)
    (trace,) = outside.values("traceparent")
    assert trace.split("-")[1] == TRACE
    assert outside.values("x-request-id") != ["forged"]
    assert (await call(stand, *lines, listener="internal")).values("x-request-id") == ["forged"]


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("agent", ["kube-probe/1.36", "Knative-Activator-Probe", "Knative-Autoscaling-Probe/2"])
async def test_nobody_is_a_prober(stand: strangers.Stand, agent: str, listener: strangers.Listener) -> None:
    """Knative answers a prober's ``User-Agent`` in the function's place: it is removed, and the function is called."""
    request = await call(stand, f"User-Agent: {agent}", listener=listener)
    assert request.values("user-agent") == []


@pytest.mark.parametrize("listener", ["public", "secure"])
async def test_a_trusted_proxy_is_believed(stand: strangers.Stand, listener: strangers.Listener) -> None:
    """The client is the last address that no trusted proxy has; what stands before it is hearsay and dropped.

    ``Forwarded`` and ``X-Real-IP``, which few proxies set and so few remove, are believed of nobody.
    """
    lines = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example.org",
        "X-Request-Id: proxys",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "K-Proxy-Request: activator",
    ]
    for claimed, client in {
        "203.0.113.7": "203.0.113.7",
        "6.6.6.6, 203.0.113.7": "203.0.113.7",
        f"6.6.6.6, 203.0.113.7, {PROXY}": "203.0.113.7",
        "6.6.6.6, 2001:db8:ffff::1": "6.6.6.6",
        "6.6.6.6, 2001:db9::1": "2001:db9::1",
    }.items():
        request = await call(stand, f"X-Forwarded-For: {claimed}", *lines, listener=listener, source=PROXY)
        assert request.values("x-forwarded-for") == [client]
        assert request.values("x-forwarded-proto") == ["https"]
        assert request.values("x-forwarded-host") == ["shop.example.org"]
        assert request.values("x-request-id") == ["proxys"]
        assert [request.values(name) for name in ("forwarded", "x-real-ip", "k-proxy-request")] == [[], [], []]
    assert (await call(stand, listener=listener, source=PROXY)).values("x-forwarded-for") == [PROXY]
    stranger = await call(stand, "X-Forwarded-For: 6.6.6.6", *lines, listener=listener, source="127.0.0.3")
    assert "6.6.6.6" not in str(stranger.headers)
    assert stranger.values("x-forwarded-host") == []


async def test_who_came_over_tls_is_not_sent_there(stand: strangers.Stand) -> None:
    """``httpOption: Redirected`` sends on who came without TLS; whether a client did is a trusted proxy's to say."""
    host = "redirected.example.com"
    rule = objects.rule([host], objects.path(objects.split("hello")))
    stand.gateway.put(objects.ingress("redirected", rule, httpOption="Redirected"))
    await stand.gateway.serves(host, listener="internal")
    stand.function.take()

    async def ask(scheme: str, source: str) -> int:
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: {scheme}\r\nConnection: close\r\n\r\n"
        return (await stand.exchange(head, source=source))[0].status

    assert [await ask(scheme, PROXY) for scheme in ("http", "https")] == [301, 200]
    assert [await ask(scheme, "127.0.0.3") for scheme in ("http", "https", "HTTPS", "gopher")] == [301] * 4
    assert len(stand.function.take()) == 1


HOSTS = [
    LOCAL,
    LOCAL.upper(),
    f"{LOCAL}.",
    f"{LOCAL}:80",
    f"{LOCAL}:8081",
    "hello.shop.svc",
    "hello.shop",
    f"{HOST}.{LOCAL}",
    "mayfly-gateway-internal.mayfly-system.svc.cluster.local",
    "127.0.0.1",
    "internal",
    f"internal/{LOCAL}",
]


@pytest.mark.parametrize("listener", ["public", "secure"])
@pytest.mark.parametrize("host", HOSTS)
async def test_local_hosts_are_not_found_outside(
    stand: strangers.Stand, host: str, listener: strangers.Listener
) -> None:
    """However a cluster-local host is written, and whatever else names the listener, outsiders get no answer of it."""
    for head in (
        f"GET / HTTP/1.1\r\nHost: {host}\r\n",
        f"GET http://{host}/ HTTP/1.1\r\nHost: {HOST}\r\n",
    ):
        sent = f"{head}X-Mayfly-Listener: internal\r\nX-Forwarded-Host: {LOCAL}\r\nK-Original-Host: {LOCAL}\r\n\r\n"
        answers = await stand.exchange(sent, listener=listener)
        assert answers[0].status in {400, 404}
        assert stand.function.take() == []


EXTERNAL = [
    "127.0.0.1",
    "2130706433",
    "::1",
    "169.254.169.254",
    "metadata.google.internal",
    "127-0-0-1.shop.pod.cluster.local",
    "hello.shop.svc.cluster.local",
    "kubernetes.default.svc.cluster.local",
    "rebinding.example.com",
    "localhost.example.com",
    "xlocalhost",
]


async def test_external_names_lead_nowhere_unless_allowed(stand: strangers.Stand) -> None:
    """A Service of type ExternalName is a name of its author's choosing: only what the operator names is followed."""
    gateway = stand.gateway
    for number, name in enumerate([*EXTERNAL, "LocalHost"]):
        gateway.put(
            objects.service(f"far-{number}", port=stand.function.port, type="ExternalName", externalName=name),
            objects.ingress(
                f"far-{number}",
                objects.rule(
                    [f"far-{number}.example.com"],
                    objects.path(objects.split(f"far-{number}", port=stand.function.port)),
                ),
            ),
        )
    await gateway.serves(f"far-{len(EXTERNAL)}.example.com")
    stand.function.take()
    for number, name in enumerate(EXTERNAL):
        status, _ = await gateway.call(f"far-{number}.example.com")
        assert status == 503, name
        assert f"shop/far-{number}:{stand.function.port}::127" not in await gateway.clusters()
    assert stand.function.take() == []


async def test_a_route_that_leads_back_ends(stand: strangers.Stand) -> None:
    """A host whose backend is the gateway itself does not go round for ever, and costs others nothing."""
    gateway = stand.gateway
    gateway.put(
        objects.service("round", type="ExternalName", externalName=gateway.place.internal_host),
        objects.ingress("round", objects.rule(["round.example.com"], objects.path(objects.split("round")))),
    )

    async def refused() -> bool:
        return (await gateway.call("round.example.com"))[0] == 502

    await conftest.until(refused, what="the loop to be found")
    await gateway.serves(HOST)
