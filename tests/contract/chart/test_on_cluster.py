"""The chart against a real API server: what an upgrade keeps, and what a restricted namespace lets run."""

from __future__ import annotations

import copy
import time

import pytest

from mayfly import errors
from mayfly.cluster import kinds
from tests import charts
from tests.contract.cluster.conftest import cluster, kubeconfig, namespace  # noqa: F401
from tests.contract.controller.conftest import eventually

ENDS = "mayfly.dev/certificate-ends"


@pytest.fixture
def look_up(kubeconfig, namespace):  # noqa: F811
    """Render the webhook's part as an upgrade would, which sees what is there; return the Secret and the authority."""

    def render():
        words = ("--dry-run=server", f"--kubeconfig={kubeconfig}")
        objects = charts.render(*words, namespace=namespace, only="admission")
        hook = charts.find(objects, "ValidatingWebhookConfiguration", "mayfly-triggers")["webhooks"][0]
        return charts.find(objects, "Secret", "mayfly-webhook"), hook["clientConfig"]["caBundle"]

    return render


async def test_an_upgrade_keeps_the_certificate_until_it_is_about_to_end(cluster, namespace, look_up):  # noqa: F811
    """Another one each time would be unknown to the controllers that run. In its last thirty days it is renewed."""
    first, authority = look_up()
    await cluster.create(first)
    assert look_up() == (first, authority)

    async def leave(days):
        ends = str(int(time.time()) + days * 86400)
        await cluster.patch(kinds.SECRET, namespace, "mayfly-webhook", {"metadata": {"annotations": {ENDS: ends}}})

    await leave(31)
    kept, _ = look_up()
    assert kept["data"] == first["data"]
    await leave(29)
    renewed, bundle = look_up()
    assert renewed["data"]["tls.crt"] != first["data"]["tls.crt"]
    assert renewed["data"]["ca.crt"] == bundle != authority
    assert int(renewed["metadata"]["annotations"][ENDS]) > time.time() + 3600 * 86400


async def test_a_secret_that_lacks_something_is_made_anew(cluster, namespace, look_up):  # noqa: F811
    """Half a certificate helps nobody."""
    first, _ = look_up()
    broken = copy.deepcopy(first)
    del broken["data"]["ca.crt"]
    await cluster.create(broken)
    renewed, bundle = look_up()
    assert renewed["data"]["ca.crt"] == bundle
    assert renewed["data"]["tls.key"] != first["data"]["tls.key"]


SHAPES = {
    "sqlite": (),
    "postgres": ("--set=events.store=postgres", "--set=events.postgres.existingSecret=db"),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_pod_passes_the_restricted_standard(cluster, namespace, shape):  # noqa: F811
    """Asked of the API server, which enforces it in this namespace."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.patch(kinds.NAMESPACE, None, namespace, {"metadata": {"labels": restricted}})

    async def has_account():
        try:
            return await cluster.get(kinds.SERVICE_ACCOUNT, namespace, "default")
        except errors.NotFound:
            return None

    await eventually(has_account)
    deployments = [item for item in charts.render(*SHAPES[shape]) if item["kind"] == "Deployment"]
    for deployment in deployments:
        template = deployment["spec"]["template"]
        spec = template["spec"] | {"serviceAccountName": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": namespace}, "spec": spec}
        await cluster.create(pod, dry_run=True)
    assert len(deployments) == 5
