"""Made Services against the real Knative: its webhooks take them, and applying again changes nothing."""

from __future__ import annotations

import pytest

from mayfly.cluster import kinds
from mayfly.model import function, names
from mayfly.resources import compare, owner, service
from tests.contract.controller.conftest import INGRESS_CLASS, eventually
from tests.contract.controller.test_crd import GOOD, SOURCE

IMAGE = "registry.example/mayfly/x@sha256:" + "0" * 64
MORE = {
    "fractions": {"resources": {"cpu": "0.1", "memory": "0.125Gi"}, "timeout": "1500ms"},
    "numbers": {"resources": {"cpu": 1, "memory": 134217728}},
    "bounds": {"timeout": "10m", "scaling": {"min": 0, "max": 1000, "concurrency": 1000, "idle": "6s"}},
    "volume below /tmp": {"volumes": [{"path": "/tmp/cache", "emptyDir": {}}]},
}
SPECS = GOOD | MORE


@pytest.fixture
async def make(cluster, namespace):
    """Make a Service that a ConfigMap of the test owns: it goes with it."""
    metadata = {"namespace": namespace, "name": "owner"}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    owned_by = owner.Owner(namespace, "made", (await cluster.create(config_map))["metadata"]["uid"])

    def made(*, ingress_class=INGRESS_CLASS, image=IMAGE, **spec):
        parsed = function.FunctionSpec.model_validate({"source": SOURCE} | spec)
        result = service.make_service(owned_by, parsed, image=image, options=service.Options(ingress_class, "pull"))
        result["metadata"]["ownerReferences"][0] |= {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
        return result

    return made


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
async def test_knative_takes_it_as_it_is(cluster, make, spec):
    """No field is refused, and none comes back in another spelling."""
    wanted = make(**spec)
    stored = await cluster.apply(wanted, manager=names.CONTROLLER, dry_run=True)
    assert compare.find_drift(stored, wanted) is None


async def test_applying_again_changes_nothing(cluster, namespace, make):
    """Neither a generation nor even a resourceVersion: Knative's defaults do not fight with ours."""
    wanted = make(**GOOD["everything"])
    await cluster.apply(wanted, manager=names.CONTROLLER)

    async def settled():
        live = await cluster.get(kinds.KSERVICE, namespace, "made")
        return live if (live.get("status") or {}).get("latestCreatedRevisionName") else None

    live = await eventually(settled)
    again = await cluster.apply(wanted, manager=names.CONTROLLER)
    assert again["metadata"]["generation"] == 1
    if again["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
        assert again["status"] != live["status"]  # Knative wrote meanwhile, we did not


async def test_what_is_no_matter_of_the_revision_makes_none(cluster, namespace, make):
    """Gateway class and visibility are the route's."""

    async def until_visible(wanted):
        async def routed():
            found = await cluster.list(kinds.ROUTE, namespace)
            return found and found[0]["metadata"]["labels"].get(names.VISIBILITY_LABEL) == wanted

        await eventually(routed)

    await cluster.apply(make(), manager=names.CONTROLLER)
    await until_visible(None)
    local = make(ingress_class="other.test.example", http={"visibility": "cluster-local"})
    await cluster.apply(local, manager=names.CONTROLLER)
    await until_visible("cluster-local")
    await cluster.apply(make(), manager=names.CONTROLLER)
    await until_visible(None)
    configuration = await cluster.get(kinds.CONFIGURATION, namespace, "made")
    assert configuration["metadata"]["generation"] == 1
