"""Triggers are checked when a manifest is applied: the real API server asks the controller's webhook.

What is installed is what the chart ships, but for the address: the API server is sent to this process.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import sys
import urllib.parse
import uuid

import httpx2
import pytest
import trustme
import yaml

from mayfly import errors, settings
from mayfly.cluster import kinds
from mayfly.controller import metrics, webhook
from mayfly.model import labels
from tests import bad_triggers, charts, ports
from tests.contract.api.conftest import start
from tests.contract.controller.conftest import MANAGER, Running, eventually, make_function

HOOK = kinds.Kind(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
GOOD = [{"event": {"type": "order.created"}}, bad_triggers.cron("0 3 * * MON-FRI", timezone="Europe/Berlin")]
BAD = bad_triggers.sql("a =")
WORDS = "spec.triggers[0]: event.filters[0].sql: sql, character 3: the end stands where"
DENIED = 'admission webhook "triggers.mayfly.dev" denied the request: '


def find_own_address(host):
    """Return the address of this machine at which the API server of ``host`` can reach it."""
    url = urllib.parse.urlsplit(host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((url.hostname, url.port or 443))
        return probe.getsockname()[0]


class Hook:
    """The webhook of one namespace: its server in this process and what the API server knows about it."""

    def __init__(self, cluster, namespace, folder):
        self.cluster = cluster
        self.namespace = namespace
        self.folder = folder
        self.address = find_own_address(cluster.host)
        self.port = ports.free_port()
        self.authority = trustme.CA()
        self.state = metrics.State()
        self.name = f"{namespace}.test.example"
        self.renew()

    def renew(self):
        """Issue a certificate and put it where the kubelet would."""
        made = self.authority.issue_cert(self.address)
        (self.folder / "tls.key").write_bytes(made.private_key_pem.bytes())
        (self.folder / "tls.crt").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))

    def serving(self, *, controller="nobody"):
        """Serve; by default as the controller of ``make_function``'s Functions."""
        config = settings.ControllerSettings(
            controller_name=controller, webhook_port=self.port, webhook_directory=self.folder
        )
        return webhook.serve(config, self.state)

    def make(self, **changed):
        """Return the chart's object, for this namespace and this address."""
        (made,) = [item for item in charts.render(only="admission") if item["kind"] == HOOK.kind]
        made["metadata"] = {"name": self.name}
        (hook,) = made["webhooks"]
        hook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        path = hook["clientConfig"]["service"]["path"]
        hook["clientConfig"] = {
            "url": f"https://{self.address}:{self.port}{path}",
            "caBundle": base64.b64encode(self.authority.cert_pem.bytes()).decode(),
        }
        hook.update(changed)
        return made

    async def install(self, *, controller="nobody", **changed):
        """Have the API server ask here, wait until it does, and return what it says against a bad trigger."""
        await self.cluster.post(HOOK.path(), self.make(**changed))
        return await eventually(lambda: say(self.cluster, self.namespace, [BAD], controller=controller))

    async def remove(self):
        with contextlib.suppress(errors.NotFound):
            await self.cluster.delete(HOOK, None, self.name)


async def say(cluster, namespace, triggers, *, controller="nobody"):
    """Return what the API server says against creating a Function with these triggers, empty for nothing."""
    wanted = make_function(namespace, triggers=triggers, annotations={labels.CONTROLLER: controller})
    try:
        await cluster.create(wanted, dry_run=True)
    except errors.Invalid as error:
        return str(error)
    return ""


@pytest.fixture
async def hook(cluster, functions, tmp_path):
    made = Hook(cluster, functions, tmp_path)
    yield made
    await made.remove()


@pytest.fixture
async def strict(hook):
    """The webhook at work; here an answer that fails is a refusal, so that nothing passes unseen."""
    async with hook.serving():
        await hook.install(failurePolicy="Fail")
        yield hook


async def test_bad_triggers_are_refused_however_they_come(cluster, functions, strict):
    """By create, apply, update and patch, each with place, value, rule and fix; what is stored stays as it was."""
    stored = await cluster.apply(make_function(functions, "mail", triggers=GOOD), manager=MANAGER)
    wrong = {}
    for case, (content, _, words) in bad_triggers.BAD.items():
        bad = [*GOOD, content]
        changed = {**stored, "spec": {**stored["spec"], "triggers": bad}}
        applied = make_function(functions, "mail", triggers=bad)
        for way, attempt in {
            "create": cluster.create(make_function(functions, triggers=bad)),
            "apply": cluster.apply(applied, manager=MANAGER),
            "update": cluster.replace(changed),
            "patch": cluster.patch(kinds.FUNCTION, functions, "mail", {"spec": {"triggers": bad}}),
        }.items():
            try:
                await attempt
                wrong[case, way] = "was taken"
            except errors.Invalid as error:
                if not str(error).startswith(f"{DENIED}spec.triggers[2]: ") or words not in str(error):
                    wrong[case, way] = str(error)
    assert wrong == {}
    left = await cluster.list(kinds.FUNCTION, functions)
    assert [(one["metadata"]["name"], one["spec"]["triggers"]) for one in left] == [("mail", GOOD)]


async def test_good_triggers_are_stored_as_they_were_written(cluster, functions, strict):
    """The webhook changes nothing, and Functions without triggers do not even reach it."""
    stored = await cluster.apply(make_function(functions, triggers=GOOD), manager=MANAGER)
    assert stored["spec"]["triggers"] == GOOD
    before = count(strict, "allowed")
    await cluster.apply(make_function(functions), manager=MANAGER)
    assert count(strict, "allowed") == before


def count(hook, verdict):
    return hook.state.registry.get_sample_value("mayfly_admission_reviews_total", {"verdict": verdict}) or 0


async def test_triggers_that_are_stored_stop_nobody(cluster, functions, hook):
    """Whoever annotates, scales or deletes a Function, or mends its triggers, is let through; new faults are not."""
    name = "mail"
    await cluster.apply(make_function(functions, name, triggers=[BAD]), manager=MANAGER)
    async with hook.serving():
        await hook.install(failurePolicy="Fail")
        await cluster.patch(kinds.FUNCTION, functions, name, {"metadata": {"annotations": {labels.PAUSED: "true"}}})
        await cluster.patch(kinds.FUNCTION, functions, name, {"spec": {"scaling": {"max": 3}}})
        with pytest.raises(errors.Invalid, match="character 3"):
            await cluster.patch(kinds.FUNCTION, functions, name, {"spec": {"triggers": [BAD, BAD]}})
        await cluster.patch(kinds.FUNCTION, functions, name, {"spec": {"triggers": GOOD}})
        await cluster.delete(kinds.FUNCTION, functions, name)


async def test_an_outage_stops_nobody(cluster, functions, hook):
    """As the chart ships it: with nobody at the port the manifest is taken, and the condition tells."""
    async with hook.serving():
        assert WORDS in await hook.install()
    assert await say(cluster, functions, [BAD]) == ""


async def test_a_renewed_certificate_is_shown_to_the_next_caller(hook, monkeypatch):
    """Without a new start; until there is a certificate at all, nobody listens and nothing fails."""
    monkeypatch.setattr(webhook, "LOOK_SECONDS", 0.05)
    (hook.folder / "tls.crt").write_text("not yet")

    async def shown():
        try:
            return await find_serial(hook)
        except OSError:
            return None

    async with hook.serving():
        await asyncio.sleep(0)
        assert await shown() is None
        hook.renew()
        first = await eventually(shown)
        hook.renew()

        async def renewed():
            return await shown() not in {None, first}

        await eventually(renewed)


async def find_serial(hook):
    """Return the serial number of the certificate that a caller gets who trusts our authority alone."""
    context = ssl.create_default_context()
    hook.authority.configure_trust(context)
    _, writer = await asyncio.open_connection(hook.address, hook.port, ssl=context, server_hostname=hook.address)
    try:
        return writer.get_extra_info("peercert")["serialNumber"]
    finally:
        writer.transport.abort()


@pytest.fixture
async def caller(hook):
    """Anybody in the cluster who reaches the port."""
    context = ssl.create_default_context()
    hook.authority.configure_trust(context)
    async with (
        hook.serving(),
        httpx2.AsyncClient(base_url=f"https://{hook.address}:{hook.port}", verify=context, timeout=20) as client,
    ):

        async def listens():
            with contextlib.suppress(httpx2.TransportError):
                return (await client.get("/")).status_code == 404

        await eventually(listens)
        yield client


STRANGE = {
    "nothing": (b"", 400),
    "no JSON": (b"<html>", 400),
    "nested without end": (b"[" * 1_000_000, 400),
    "too large": (b" " * (webhook.MAX_BODY_BYTES + 1), 413),
}


@pytest.mark.parametrize(("body", "status"), STRANGE.values(), ids=STRANGE)
async def test_a_stranger_gets_a_short_answer(caller, body, status):
    """None of the server's own errors, and the next one is served."""
    answer = await caller.post(webhook.PATH, content=body)
    assert answer.status_code == status
    assert (await caller.get(webhook.PATH)).status_code == 404


async def test_a_body_without_length_is_bounded_too(caller):
    """Chunk by chunk, which no header announces."""

    async def endless():
        for _ in range(webhook.MAX_BODY_BYTES // 65536 + 2):
            yield b" " * 65536

    answer = await caller.post(webhook.PATH, content=endless())
    assert answer.status_code == 413


async def test_silent_callers_take_no_more_than_their_places(caller, hook, monkeypatch):
    """Beyond the limit a connection is closed at once; when they go, the door is open again."""
    monkeypatch.setattr(webhook, "MAX_CONNECTIONS", 3)
    context = ssl.create_default_context()
    hook.authority.configure_trust(context)
    held = [
        await asyncio.open_connection(hook.address, hook.port, ssl=context, server_hostname=hook.address)
        for _ in range(4)  # and the caller's own
    ]
    try:
        assert await held[-1][0].read() == b""
    finally:
        for _, writer in held:
            writer.transport.abort()

    async def served():
        with contextlib.suppress(httpx2.TransportError):
            return (await caller.get("/")).status_code == 404

    await eventually(served)


async def test_every_replica_answers(kubeconfig, cluster, functions, hook, monkeypatch):
    """One leads, the other waits for the Lease: whichever the Service chooses says the same."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    said = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, port in zip(("a", "b"), ports.free_ports(2), strict=True):
            given = {"pod_name": name, "webhook_port": port, "webhook_directory": hook.folder}
            replica = Running(kubeconfig, functions, "http://127.0.0.1:1", **given)
            await replica.start()
            stack.push_async_callback(replica.stop)
            hook.port = port
            said[name] = await hook.install(controller=functions)
            await hook.remove()
    assert said["a"] == said["b"]
    assert said["a"].startswith(f"{DENIED}{WORDS}")


async def test_a_controller_leaves_the_functions_of_others_alone(cluster, functions, hook):
    """A later version on trial has rules of its own."""
    async with hook.serving(controller="nobody"):
        await hook.install(failurePolicy="Fail")
        trial = make_function(functions, triggers=[BAD], annotations={labels.CONTROLLER: "trial"})
        await cluster.create(trial, dry_run=True)


async def test_people_see_the_refusal_unchanged(cluster, cluster_env, functions, hook, tmp_path):
    """`kubectl apply`, `mayfly deploy` and the REST API: the same sentence, and no stack of wrappers around it."""
    name = f"fn-{uuid.uuid4().hex[:6]}"
    manifest = make_function(functions, name, triggers=[BAD], annotations={labels.PAUSED: "true"})
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "main.py").write_text("def f(request):\n    return 'hi'\n")
    (folder / "function.yaml").write_text(yaml.safe_dump({**manifest, "spec": {"triggers": [BAD]}}))
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(manifest))
    token = await make_token(cluster, functions)
    env = {**os.environ, "KUBECONFIG": cluster_env["KUBECONFIG"], "MAYFLY_TOKEN": token, "NO_COLOR": "1"}
    process, base = await asyncio.to_thread(
        start, env, registry=f"{cluster_env['REGISTRY']}/mayfly", registry_insecure="true"
    )
    try:
        async with hook.serving(controller=""), httpx2.AsyncClient(base_url=base, timeout=30) as client:
            await cluster.post(HOOK.path(), hook.make(failurePolicy="Fail"))

            async def refused():
                with contextlib.suppress(errors.Invalid):
                    await cluster.create(manifest, dry_run=True)
                    return False
                return True

            await eventually(refused)
            answer = await client.put(
                f"/v1/namespaces/{functions}/functions/{name}",
                json=manifest,
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith(f"{DENIED}{WORDS}")
            deploy = (sys.executable, "-m", "mayfly.cli", "-n", functions, "deploy", str(folder), "--no-wait")
            code, said = await run(*deploy, env=env | {"MAYFLY_API_URL": base})
            assert code != 0
            assert f"{DENIED}{WORDS}" in said
            code, said = await run("kubectl", "apply", "-f", str(tmp_path / "whole.yaml"), env=env)
            assert code != 0
            assert said.startswith(f'The Function "{name}" is invalid: {WORDS}')
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def make_token(cluster, namespace):
    """Return the token of an account that may do everything in ``namespace``."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dev", "namespace": namespace}}
    await cluster.create(account)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "dev"},
        "subjects": [{"kind": "ServiceAccount", "name": "dev", "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    await cluster.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
    return await cluster.create_token(namespace, "dev")


async def run(*words, env):
    """Return the exit code and all that a program printed."""
    process = await asyncio.create_subprocess_exec(
        *words, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()
