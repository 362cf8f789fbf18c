"""A Function's life under the controller: made, changed, healed, removed."""

from __future__ import annotations

import asyncio

from mayfly import errors
from mayfly.cluster import kinds
from mayfly.model import labels, names
from tests.contract.controller.conftest import eventually, find_condition, serve_routes


async def make_ready(cluster, author, name, **spec):
    """Apply a Function and return it once it is ready, with its routes served."""
    await author.apply(name, **spec)

    async def ready():
        await serve_routes(cluster, author.namespace)
        function = await author.get(name)
        conditions = {item["type"]: item for item in (function.get("status") or {}).get("conditions") or []}
        ready = conditions.get("Ready", {})
        current = ready.get("observedGeneration") == function["metadata"]["generation"]
        return function if current and ready["status"] == "True" else None

    return await eventually(ready)


async def test_from_manifest_to_ready_to_nothing(cluster, author, controller, builder, serves):
    """Built, deployed, routed, told in status and Events; deleting it leaves nothing."""
    builder.succeed(serves)
    await author.apply("hello")
    waiting = await author.until("hello", "Routed", "Unknown", "IngressNotConfigured")
    assert "no gateway serves ingress class none.test.example" in find_condition(waiting, "Ready")["message"]
    function = await make_ready(cluster, author, "hello")
    told = function["status"]
    assert told["image"] == serves
    assert told["revision"] == "hello-00001"
    assert told["observedGeneration"] == function["metadata"]["generation"]
    assert (told["handler"], told["signature"], told["runtime"]) == ("handler:handle", "http", "python3.11")
    assert told["signatureReason"] == "handle takes one argument"
    assert told["url"].startswith("http://hello.")
    assert told["address"]["url"] == f"http://hello.{author.namespace}.svc.cluster.local"
    assert told["selector"] == "mayfly.dev/function=hello"
    assert [item["type"] for item in told["conditions"]] == ["Built", "Deployed", "Routed", "Triggered", "Ready"]
    wanted = {("Normal", "Built"), ("Normal", "Deployed"), ("Normal", "Ready")}

    async def all_told():
        return wanted <= await author.events("hello")

    await eventually(all_told)
    await cluster.delete(kinds.FUNCTION, author.namespace, "hello")

    async def gone():
        kinds_left = (kinds.FUNCTION, kinds.KSERVICE, kinds.REVISION, kinds.KINGRESS)
        return not [item for kind in kinds_left for item in await cluster.list(kind, author.namespace)]

    await eventually(gone)


async def test_pods_pass_restricted_and_hold_no_token(cluster, author, controller, builder, serves):
    """The namespace enforces the standard, so a pod that exists has passed it."""
    builder.succeed(serves)
    await author.apply("hello")

    async def running():
        return await cluster.list(kinds.POD, author.namespace, labels.function_selector("hello"))

    (pod, *_) = await eventually(running)
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]


async def test_one_spec_makes_one_revision_and_one_build(cluster, author, controller, builder, serves):
    """Neither a restart nor a change beside the spec builds or rolls out anything."""
    builder.succeed(serves)
    first = await make_ready(cluster, author, "hello")
    asked = len(builder.requests)
    await controller.stop()
    await controller.start()
    body = {"metadata": {"labels": {"team": "shop"}, "annotations": {"note": "hello"}}}
    await cluster.patch(kinds.FUNCTION, author.namespace, "hello", body)
    await author.apply("other")  # passes through the same queue after it
    await author.until("other", "Built", "True")
    assert [request.name for request in builder.requests[asked:]] == ["other"]
    assert await author.revisions("hello") == ["hello-00001"]
    after = await author.get("hello")
    assert after["status"] == first["status"]


async def test_a_change_of_scaling_builds_nothing(cluster, author, controller, builder, serves):
    """A new revision, the same image."""
    builder.succeed(serves)
    await make_ready(cluster, author, "hello")
    asked = len(builder.requests)
    after = await make_ready(cluster, author, "hello", scaling={"max": 3})
    assert len(builder.requests) == asked
    assert after["status"]["revision"] == "hello-00002"


async def test_what_is_changed_by_hand_comes_back(cluster, author, controller, builder, serves):
    """Our fields are restored, those of others stay; a deleted Service is made again."""
    builder.succeed(serves)
    await make_ready(cluster, author, "hello")
    edit = {"metadata": {"annotations": {"team": "shop"}}, "spec": {"template": {"spec": {"timeoutSeconds": 7}}}}
    await cluster.patch(kinds.KSERVICE, author.namespace, "hello", edit, manager="someone")

    async def restored():
        live = await author.service("hello")
        return live if live and live["spec"]["template"]["spec"]["timeoutSeconds"] == 40 else None

    live = await eventually(restored, seconds=10)
    assert live["metadata"]["annotations"]["team"] == "shop"
    uid = live["metadata"]["uid"]
    await cluster.delete(kinds.KSERVICE, author.namespace, "hello")

    async def remade():
        live = await author.service("hello")
        return live and live["metadata"]["uid"] != uid

    await eventually(remade, seconds=10)


async def test_a_label_taken_away_comes_back(cluster, author, controller, builder, serves):
    """Without our label the Service is out of sight, and found again nevertheless."""
    builder.succeed(serves)
    await make_ready(cluster, author, "hello")
    edit = {"metadata": {"labels": {labels.FUNCTION: None}}}
    await cluster.patch(kinds.KSERVICE, author.namespace, "hello", edit, manager="someone")

    async def restored():
        return labels.FUNCTION in (await author.service("hello"))["metadata"]["labels"]

    await eventually(restored, seconds=10)


async def test_fields_are_owned_by_the_controller(cluster, author, controller, builder, serves):
    """Server-side apply, so that `kubectl apply` of others says who owns what."""
    builder.succeed(serves)
    function = await make_ready(cluster, author, "hello")
    written = {(item["manager"], item.get("subresource")): item for item in function["metadata"]["managedFields"]}
    assert set(written[names.CONTROLLER, "status"]["fieldsV1"]) == {"f:status"}
    live = await author.service("hello")
    operations = {
        item["operation"] for item in live["metadata"]["managedFields"] if item["manager"] == names.CONTROLLER
    }
    assert operations == {"Apply"}


async def test_looking_again_writes_nothing(cluster, author, controller, builder, serves):
    """However often something stirs, what is right stays as it is."""
    builder.succeed(serves)
    before = await make_ready(cluster, author, "hello")
    for number in range(5):
        edit = {"metadata": {"annotations": {"stir": str(number)}}}
        await cluster.patch(kinds.KSERVICE, author.namespace, "hello", edit)
    await make_ready(cluster, author, "other")
    after = await author.get("hello")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    ours = [
        item
        for item in (await author.service("hello"))["metadata"]["managedFields"]
        if item["manager"] == names.CONTROLLER
    ]
    assert len(ours) == 1


async def test_a_service_of_another_is_left_alone(cluster, author, controller, builder, serves):
    """The name is taken: say so, touch nothing."""
    builder.succeed(serves)
    foreign = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"namespace": author.namespace, "name": "taken"},
        "spec": {"template": {"spec": {"containers": [{"image": serves}]}}},
    }
    made = await cluster.create(foreign)
    await author.apply("taken")
    function = await author.until("taken", "Deployed", "False", "NotOwned")
    assert "kubectl delete ksvc taken" in find_condition(function, "Ready")["message"]
    live = await author.service("taken")
    assert live["spec"] == made["spec"]
    assert "ownerReferences" not in live["metadata"]


async def test_a_paused_function_is_left_alone(cluster, author, controller, builder, serves):
    """Until the annotation goes."""
    builder.succeed(serves)
    await make_ready(cluster, author, "hello")
    pause = {"metadata": {"annotations": {labels.PAUSED: "true"}}}
    await cluster.patch(kinds.FUNCTION, author.namespace, "hello", pause)
    await cluster.delete(kinds.KSERVICE, author.namespace, "hello")
    await author.apply("other")
    await author.until("other", "Built", "True")
    assert await author.service("hello") is None
    go_on = {"metadata": {"annotations": {labels.PAUSED: None}}}
    await cluster.patch(kinds.FUNCTION, author.namespace, "hello", go_on)

    async def remade():
        return await author.service("hello")

    await eventually(remade)


async def test_an_edited_config_map_is_built_anew(cluster, author, controller, builder, serves):
    """The ConfigMap may come after the Function, and each edit is a new request."""
    builder.succeed(serves)
    await author.apply("hello", source={"configMap": {"name": "code"}})
    missing = await author.until("hello", "Built", "False", "InvalidSource")
    assert f"ConfigMap {author.namespace}/code does not exist" in find_condition(missing, "Built")["message"]
    code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": author.namespace, "name": "code"}}
    await cluster.create(code | {"data": {"handler.py": "v1"}})
    await author.until("hello", "Built", "True")
    await cluster.patch(kinds.CONFIGMAP, author.namespace, "code", {"data": {"handler.py": "v2"}})

    async def asked():
        return builder.requests[-1].source.inline.files == {"handler.py": "v2"}

    await eventually(asked)


async def test_the_process_makes_its_secret_and_gives_its_lease_back(cluster, author, controller, builder, serves):
    """The token exists before anything needs it; a successor need not wait for the lease to run out."""
    builder.succeed(serves)
    await author.apply("hello")
    await author.until("hello", "Built", "True")
    secret = await cluster.get(kinds.SECRET, author.namespace, names.INTERNAL_SECRET)
    assert set(secret["data"]) == {"token"}
    (bearer,) = builder.tokens
    assert len(bearer) > 40
    await controller.stop()
    lease = await cluster.get(kinds.LEASE, author.namespace, names.CONTROLLER)
    assert not lease["spec"].get("holderIdentity")
    await controller.start()
    await author.apply("other")
    await author.until("other", "Built", "True")
    again = await cluster.get(kinds.SECRET, author.namespace, names.INTERNAL_SECRET)
    assert again["data"] == secret["data"]


async def test_two_controllers_one_writer(cluster, author, controller, builder, serves):
    """The second waits for the lease and takes over when the first goes."""
    builder.succeed(serves)
    second = type(controller)(controller.kubeconfig, author.namespace, builder.url)
    await second.start()
    try:
        await author.apply("hello")
        await author.until("hello", "Built", "True")
        await asyncio.gather(controller.stop(), return_exceptions=True)
        await author.apply("other")
        await author.until("other", "Built", "True")
    finally:
        await second.stop()
        await controller.start()
    assert len(builder.requests) == 2


async def test_a_removed_function_forgets_its_build(cluster, author, controller, builder):
    """Deleting while a build runs ends the waiting."""
    builder.default = {"state": "running"}
    await author.apply("hello")
    await author.until("hello", "Built", "Unknown", "Building")
    await cluster.delete(kinds.FUNCTION, author.namespace, "hello")

    async def gone():
        try:
            await author.get("hello")
        except errors.NotFound:
            return True
        return False

    await eventually(gone)


async def test_the_longest_name_fits(cluster, author, controller, builder, serves):
    """The rule on names is neither too strict nor too lax: what Knative derives works."""
    builder.succeed(serves)
    name = "x" * names.MAX_FUNCTION_NAME
    function = await make_ready(cluster, author, name)
    assert function["status"]["revision"] == f"{name}-00001"
