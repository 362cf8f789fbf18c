"""No call is lost while what serves it is replaced, scaled, restarted or gone.

Every test calls two hundred times a second throughout, on new connections and on kept ones
(``tests/e2e/steady.py``), and fails on a single call that was not answered with 200. Calls may be slow: the machine may
be busy with other things.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import containers
from tests.e2e.person import ROOT, User, make_function, wait_until
from tests.e2e.test_gateway import make_certificate

pytestmark = pytest.mark.disruptive

SYSTEM = "mayfly-system"
GATEWAY = "app.kubernetes.io/component=gateway"
CONTROL = ["-m", "mayfly.gateway"]
WITHOUT = ("mayfly-controller", "mayfly-builder", "mayfly-api")
RATE = 200
SETTLE_SECONDS = 2
"""How long calls go on after what was done has been seen done."""
CODE = "async def f(request):\n    return {text!r}\n"
SMALL = {"resources": {"cpu": "20m"}}


class Load:
    """Calls under way; ``record`` is what they came to, once they have ended."""

    def __init__(self, urls: list[str], address: str) -> None:
        argv = [sys.executable, "-m", "tests.e2e.steady", *urls, "--address", address, "--rate", str(RATE)]
        self._process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.record: dict[str, Any] = {}

    def finish(self) -> None:
        """Let the calls end and read what they came to."""
        output, _ = self._process.communicate(timeout=60)
        self.record = json.loads(output)
        told = {name: self.record[name] for name in ("seconds", "sent", "answered", "slowest", "latest", "bodies")}
        print(json.dumps({**told, "lost": len(self.record["lost"])}))  # noqa: T201

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def calls(owner: User, *urls: str) -> Iterator[Load]:
    """Call while the context lasts and a little longer; fail when a call was lost."""
    load = Load([url.format(ns=owner.namespace) for url in urls], gateway_address(owner))
    try:
        yield load
        time.sleep(SETTLE_SECONDS)  # what follows from the last change is to be seen, and nobody says when it is over
        load.finish()
    except BaseException:
        load.kill()
        raise
    lost = load.record["lost"]
    assert not lost, (
        f"{len(lost)} of {load.record['sent']} calls were lost, the first: {json.dumps(lost[:5], indent=1)}"
    )
    assert load.record["answered"] == load.record["sent"] > 0


def gateway_address(owner: User) -> str:
    return system(owner, "get", "service", "mayfly-gateway", "-o", "jsonpath={.spec.clusterIP}")


def system(owner: User, *args: str) -> str:
    """Run kubectl in the platform's namespace."""
    return owner.kubectl("-n", SYSTEM, *args)


def find_pods(owner: User, namespace: str, labels: str) -> list[dict[str, Any]]:
    return json.loads(owner.kubectl("-n", namespace, "get", "pods", "-l", labels, "-o", "json"))["items"]


def uids(pods: list[dict[str, Any]], *, ready: bool = False) -> set[str]:
    """Return the pods' ids; with ``ready`` of those only that take calls and are not ending."""
    return {pod["metadata"]["uid"] for pod in pods if not ready or is_ready(pod)}


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


PLAIN = ("http://direct.{ns}.example.com/", "http://held.{ns}.example.com/")
"""The first takes any number of calls at once, so the gateway calls its instances; the second one's are counted, by the
activator while it is in the path."""
SECURE = "https://direct.{ns}.example.com/"


def functions(namespace: str, *, text: str = "one", instances: int = 1) -> list[dict[str, Any]]:
    """Return the two functions as they are to be."""
    scaling = {"min": instances, "max": instances}
    files = {"main.py": CODE.format(text=text)}
    tls = {"tls": {"secret": "certificate", "redirect": False}}
    return [
        make_function(
            name,
            files,
            scaling={**scaling, **more},
            http={"hosts": [f"{name}.{namespace}.example.com"], **secured},
            **SMALL,
        )
        for name, more, secured in (("direct", {"concurrency": 0}, tls), ("held", {}, {}))
    ]


@pytest.fixture(scope="module")
def owner(cluster_env: dict[str, str]) -> Iterator[User]:
    """Whose functions are called: two that are awake, and one that sleeps."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    person = User(namespace, {**os.environ, **cluster_env, "NO_COLOR": "1"}, cluster_env["GATEWAY_URL"])
    person.kubectl("create", "namespace", namespace)
    put_certificate(person)
    sleeper = make_function("sleeper", {"main.py": CODE.format(text="awake")}, scaling={"idle": "6s"}, **SMALL)
    for function in (*functions(namespace), sleeper):
        person.apply(function)
    for name in ("direct", "held", "sleeper"):
        person.wait_ready(name)
    yield person
    person.kubectl("delete", "namespace", namespace, "--wait=false")


def put_certificate(owner: User) -> str:
    """Replace the certificate of the secure host and return it (PEM)."""
    parts = make_certificate(f"direct.{owner.namespace}.example.com")
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "certificate"}}
    owner.apply({**secret, "stringData": parts})
    return parts["tls.crt"]


def test_rolling_the_gateway(owner: User) -> None:
    """One replica is replaced by another."""
    before = uids(find_pods(owner, SYSTEM, GATEWAY))
    with calls(owner, *PLAIN):
        system(owner, "rollout", "restart", "deployment/mayfly-gateway")
        system(owner, "rollout", "status", "deployment/mayfly-gateway", "--timeout=120s")
        wait_until(lambda: not before & uids(find_pods(owner, SYSTEM, GATEWAY)), 90, "the old gateway to be gone")


def change(owner: User, **spec: Any) -> None:
    """Change both functions and wait until they serve it."""
    for function in functions(owner.namespace, **spec):
        owner.apply(function)
    for name in ("direct", "held"):
        wait_until(functools.partial(is_current, owner, name), 120, f"the new revision of {name}")


def is_current(owner: User, name: str) -> bool:
    """Say whether what the Function says of itself is about its newest spec, and good."""
    function = owner.get("fn", name)
    status = function.get("status", {})
    ready = next((each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"), "")
    return status.get("observedGeneration") == function["metadata"]["generation"] and ready == "True"


def test_scaling_and_replacing_a_function(owner: User) -> None:
    """One instance, five, one; and another source. Each change is a new revision, with instances of its own."""
    with calls(owner, *PLAIN) as load:
        change(owner, instances=5)
        many = {name: wait_until(functools.partial(find_five, owner, name), 120, "five") for name in ("direct", "held")}
        change(owner, instances=1)
        change(owner, text="two")
        for name, before in many.items():
            wait_until(
                lambda name=name, before=before: len(before & find_instances(owner, name)) <= 1, 90, "most to be ending"
            )
    assert set(load.record["bodies"]) == {"one", "two"}


def find_five(owner: User, name: str) -> set[str] | None:
    """Return the ids of a Function's instances once there are five: a small node may first have to end others."""
    found = find_instances(owner, name)
    return found if len(found) >= 5 else None


def find_instances(owner: User, name: str) -> set[str]:
    """Return the ids of a Function's instances that take calls."""
    return uids(find_pods(owner, owner.namespace, f"serving.knative.dev/service={name}"), ready=True)


def test_restarting_what_is_not_in_the_path(owner: User) -> None:
    """Controller, builder and API are replaced."""
    labels = "app.kubernetes.io/component in (controller,builder,api)"
    before = uids(find_pods(owner, SYSTEM, labels))
    with calls(owner, *PLAIN):
        system(owner, "delete", "pod", "-l", labels, "--wait=false")
        wait_until(
            lambda: len(uids(find_pods(owner, SYSTEM, labels), ready=True) - before) == len(before), 90, "successors"
        )


def test_rotating_a_certificate(owner: User) -> None:
    """Kept connections stay with the certificate that they began with; new ones get the new one, and all are served."""
    address, host = gateway_address(owner), f"direct.{owner.namespace}.example.com"
    wait_until(lambda: shown(address, host), 30, "a certificate")
    with calls(owner, SECURE):
        for _ in range(2):
            renewed = put_certificate(owner)
            wait_until(lambda renewed=renewed: shown(address, host) == renewed, 30, "the new certificate to be shown")


def shown(address: str, host: str) -> str:
    """Return the certificate that a new connection is shown (PEM); empty when it is refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, 443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
    except OSError:
        return ""


def test_nothing_but_the_data_plane(owner: User) -> None:
    """Without controller, builder and API, and with control killed and then frozen, calls pass and sleepers wake."""
    wait_until(lambda: not find_pods(owner, owner.namespace, "serving.knative.dev/service=sleeper"), 120, "sleep")
    [gateway] = find_pods(owner, SYSTEM, GATEWAY)
    replicas = {name: read_replicas(owner, name) for name in WITHOUT}
    frozen = 0
    with calls(owner, *PLAIN):
        try:
            for name in WITHOUT:
                system(owner, "scale", f"deployment/{name}", "--replicas=0")
            for _ in range(3):
                os.kill(killed := find_control(gateway), signal.SIGKILL)
                wait_until(lambda killed=killed: find_control(gateway) not in (0, killed), 60, "another control")
            frozen = find_control(gateway)
            os.kill(frozen, signal.SIGSTOP)
            answer = owner.call("sleeper")
            assert (answer.status_code, answer.text) == (200, "awake")
            assert [is_ready(pod) for pod in find_pods(owner, SYSTEM, GATEWAY)] == [True]
        finally:
            if frozen and find_control(gateway) == frozen:
                os.kill(frozen, signal.SIGCONT)
            for name, count in replicas.items():
                system(owner, "scale", f"deployment/{name}", f"--replicas={count}")
        for name in WITHOUT:
            system(owner, "rollout", "status", f"deployment/{name}", "--timeout=120s")
    [after] = find_pods(owner, SYSTEM, GATEWAY)
    assert after["metadata"]["uid"] == gateway["metadata"]["uid"]


def read_replicas(owner: User, name: str) -> str:
    return system(owner, "get", "deployment", name, "-o", "jsonpath={.spec.replicas}")


def find_control(gateway: dict[str, Any]) -> int:
    """Return the id of the control process in a gateway's pod, 0 when there is none just now."""
    pids = containers.find_processes(gateway, "control")
    return next((pid for pid in pids if containers.command(pid)[-2:] == CONTROL), 0)


def test_losing_one_of_two_gateways(owner: User) -> None:
    """One of two replicas is deleted, and later the second one is not wanted any more; with TLS and without."""
    with calls(owner, *PLAIN, SECURE):
        try:
            system(owner, "scale", "deployment/mayfly-gateway", "--replicas=2")
            both = wait_for_gateways(owner, 2)
            first = next(iter(both))
            [name] = [p["metadata"]["name"] for p in find_pods(owner, SYSTEM, GATEWAY) if p["metadata"]["uid"] == first]
            system(owner, "delete", "pod", name, "--wait=false")
            wait_until(lambda: first not in uids(find_pods(owner, SYSTEM, GATEWAY)), 90, "the deleted one to be gone")
            wait_for_gateways(owner, 2)
        finally:
            system(owner, "scale", "deployment/mayfly-gateway", "--replicas=1")
        wait_for_gateways(owner, 1)


def wait_for_gateways(owner: User, count: int) -> set[str]:
    """Return the ids of the gateway's pods once there are ``count``, all of them ready and none ending."""

    def found() -> set[str]:
        pods = find_pods(owner, SYSTEM, GATEWAY)
        ready = uids(pods, ready=True)
        return ready if len(pods) == len(ready) == count else set()

    return wait_until(found, 120, f"{count} gateways")
