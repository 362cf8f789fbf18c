"""`gateway.mode: edge`: our data plane in front of Kourier, which keeps the functions' ingresses."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mayfly.model import exposure
from tests import ports
from tests.e2e.person import ROOT, User, make_function, wait_until

KOURIER = "kourier.ingress.networking.knative.dev"
KEY = "correct-horse-battery"
SOURCE = """
def hello(request):
    return {"host": request.headers["host"], "client": request.headers.get("x-mayfly-client")}
"""


@pytest.fixture(scope="module")
def kourier() -> Iterator[None]:
    """Install Kourier for these tests, and remove it unless it was there before."""
    there = subprocess.run(["kubectl", "get", "namespace", "kourier-system"], check=False, capture_output=True)
    subprocess.run([sys.executable, "-m", "cluster", "kourier"], check=True, cwd=ROOT, capture_output=True, timeout=600)
    yield
    if there.returncode:
        subprocess.run(
            [sys.executable, "-m", "cluster", "kourier", "--remove"], check=True, cwd=ROOT, capture_output=True
        )


@pytest.fixture
def edge(user: User, tmp_path: Path) -> Iterator[str]:
    """Run a gateway in mode edge on this machine and give its URL; pods and Services can be reached from here."""
    env = user.env | {
        "MAYFLY_MODE": "edge",
        "MAYFLY_INGRESS_CLASS": KOURIER,
        "MAYFLY_NAMESPACE": user.namespace,
        "MAYFLY_POD_NAME": f"edge-{uuid.uuid4().hex[:8]}",
        "MAYFLY_XDS_SOCKET": str(tmp_path / "xds.sock"),
        "MAYFLY_ENVOY_ADMIN_SOCKET": str(tmp_path / "admin.sock"),
        "MAYFLY_PUBLIC_SERVICE": f"edge.{user.namespace}.svc.cluster.local",
        "MAYFLY_INTERNAL_SERVICE": f"edge-internal.{user.namespace}.svc.cluster.local",
        "MAYFLY_JWKS_NETWORKS": "[]",
        **{
            name: str(ports.free_port())
            for name in (
                "MAYFLY_PUBLIC_PORT",
                "MAYFLY_INTERNAL_PORT",
                "MAYFLY_SECURE_PORT",
                "MAYFLY_METRICS_PORT",
                "MAYFLY_ENVOY_METRICS_PORT",
            )
        },
    }
    with contextlib.ExitStack() as stack:
        for arguments in (["mayfly.gateway.bootstrap", "--exec"], ["mayfly.gateway"]):
            log = stack.enter_context((tmp_path / f"{arguments[0]}.log").open("w"))
            process = subprocess.Popen([sys.executable, "-P", "-m", *arguments], env=env, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield f"http://127.0.0.1:{env['MAYFLY_PUBLIC_PORT']}"


def make_service(user: User, name: str, **http: Any) -> dict[str, Any]:
    """Return a Knative Service of Kourier's class that runs the image of Function `hello`, exposed as ``http`` says."""
    made = user.get("ksvc", "hello")
    exposed = exposure.Exposure(http=exposure.Http.model_validate(http), timeout_seconds=30)
    annotations = {"networking.knative.dev/ingress-class": KOURIER, exposure.ANNOTATION: exposed.to_json()}
    template = made["spec"]["template"]
    template["metadata"].pop("labels", None)
    metadata = {"name": name, "annotations": annotations}
    return {**{k: made[k] for k in ("apiVersion", "kind")}, "metadata": metadata, "spec": {"template": template}}


def call(url: str, host: str, path: str = "/", **headers: str) -> httpx2.Response | None:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(url + path, headers={"Host": host, **headers}, timeout=60)
    return None


def served(user: User, name: str) -> dict[str, Any]:
    annotations = user.get("king", name).get("status", {}).get("annotations", {})
    found: dict[str, Any] = json.loads(annotations.get(exposure.SERVED_ANNOTATION, "{}"))
    return found


@pytest.mark.usefixtures("kourier")
def test_policies_hold_in_front_of_kourier(user: User, edge: str) -> None:
    """Kourier routes and wakes; our gateway asks for keys, serves the Function's own host, and says what it serves."""
    user.apply(make_function("hello", {"main.py": SOURCE}, resources={"cpu": "20m"}))
    user.wait_ready("hello")
    user.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"partner": KEY}})
    own = f"{user.namespace}.shop.example"
    policies = {"hosts": [own], "paths": [{"path": "/api", "rewrite": "/"}], "auth": {"apiKey": {"secret": "keys"}}}
    user.apply(make_service(user, "guarded", **policies))
    user.apply(make_service(user, "open"))
    user.kubectl("wait", "ksvc/guarded", "ksvc/open", "--for=condition=Ready", "--timeout=120s")

    wait_until(lambda: "version" in served(user, "guarded") and "reason" not in served(user, "guarded"), 30, "served")
    host = httpx2.URL(user.get("ksvc", "guarded")["status"]["url"]).host
    assert call(edge, host).status_code == 401
    answer = call(edge, host, **{"X-API-Key": KEY})
    assert (answer.status_code, answer.json()) == (200, {"host": host, "client": "partner"})
    assert call(edge, own, "/api/x", **{"X-API-Key": KEY}).json()["client"] == "partner"
    assert call(edge, own, "/elsewhere", **{"X-API-Key": KEY}).status_code == 404
    plain = httpx2.URL(user.get("ksvc", "open")["status"]["url"]).host
    assert wait_until(lambda: call(edge, plain), 30, "open to answer").status_code == 200
    conditions = user.get("king", "guarded")["status"]["conditions"]
    assert [item["status"] for item in conditions if item["type"] == "Ready"] == ["True"], "Kourier's own word stays"
