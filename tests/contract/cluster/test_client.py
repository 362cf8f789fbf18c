"""The verbs, against a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl

import pytest

from mayfly import errors
from mayfly.cluster import access, client, kinds, transport
from tests.contract.cluster.conftest import config_map, default_service_account

DEADLINE = 30.0
MANAGER = "mayfly-test"


async def test_apply_owns_creates_and_removes_fields(cluster, namespace):
    """Apply creates, takes fields over when forced, and removes what it leaves out the next time."""
    created = await cluster.apply(config_map(namespace, "a", one="1", two="2"), manager=MANAGER)
    assert created["metadata"]["managedFields"][0]["manager"] == MANAGER
    await cluster.patch(kinds.CONFIGMAP, namespace, "a", {"data": {"foreign": "x", "one": "changed"}}, manager="other")
    with pytest.raises(errors.Conflict, match=r'conflict with "other".*\.data\.one'):
        await cluster.apply(config_map(namespace, "a", one="1"), manager=MANAGER, force=False)
    applied = await cluster.apply(config_map(namespace, "a", one="1"), manager=MANAGER)
    assert applied["data"] == {"one": "1", "foreign": "x"}


async def test_apply_dry_run_changes_nothing(cluster, namespace):
    """A dry run says what would be, and is not stored."""
    would = await cluster.apply(config_map(namespace, "a", one="1"), manager=MANAGER, dry_run=True)
    assert would["data"] == {"one": "1"}
    with pytest.raises(errors.NotFound, match='configmaps "a" not found'):
        await cluster.get(kinds.CONFIGMAP, namespace, "a")


async def test_apply_refuses_unknown_fields(cluster, namespace):
    """A field that the API does not know is refused by name, not dropped."""
    obj = config_map(namespace, "a") | {"dataa": {"x": "y"}}
    with pytest.raises(errors.Invalid, match="dataa"):
        await cluster.apply(obj, manager=MANAGER)


async def test_apply_status_touches_nothing_else(cluster, namespace):
    """The status goes through its subresource; the rest of the given object is left out."""
    spec = {
        "containers": [{"name": "c", "image": "none.invalid/x"}],
        "nodeName": "none",
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": "p"}, "spec": spec}
    await default_service_account(cluster, namespace)
    await cluster.create(pod)
    condition = {"type": "mayfly.dev/Test", "status": "True"}
    changed = {**pod, "metadata": {**pod["metadata"], "labels": {"x": "y"}}, "status": {"conditions": [condition]}}
    stored = await cluster.apply_status(changed, manager=MANAGER)
    assert stored["metadata"].get("labels") is None
    assert condition["type"] in {found["type"] for found in stored["status"]["conditions"]}
    await cluster.delete(kinds.POD, namespace, "p")


async def test_create_patch_replace_delete(cluster, namespace):
    """Each plain verb, with its refusals."""
    created = await cluster.create(config_map(namespace, "a", one="1"))
    with pytest.raises(errors.Conflict, match="already exists"):
        await cluster.create(config_map(namespace, "a"))
    stale = created["metadata"]["resourceVersion"]
    patched = await cluster.patch(kinds.CONFIGMAP, namespace, "a", {"data": {"two": "2", "one": None}})
    assert patched["data"] == {"two": "2"}
    with pytest.raises(errors.Conflict, match="object has been modified"):
        await cluster.patch(
            kinds.CONFIGMAP, namespace, "a", {"metadata": {"resourceVersion": stale}, "data": {"x": "y"}}
        )
    with pytest.raises(errors.Conflict, match="object has been modified"):
        await cluster.replace(created)
    assert (await cluster.replace({**patched, "data": {"three": "3"}}))["data"] == {"three": "3"}
    with pytest.raises(errors.Conflict, match="UID"):
        await cluster.delete(kinds.CONFIGMAP, namespace, "a", uid="another")
    await cluster.delete(kinds.CONFIGMAP, namespace, "a", uid=created["metadata"]["uid"])
    with pytest.raises(errors.NotFound):
        await cluster.delete(kinds.CONFIGMAP, namespace, "a")


async def test_invalid_names_field_and_rule(cluster, namespace):
    """The server's refusal says which field breaks which rule."""
    with pytest.raises(errors.Invalid, match=r"metadata\.name.*RFC 1123"):
        await cluster.create(config_map(namespace, "Not_A_Name"))


async def test_list_pages_and_selectors(cluster, namespace):
    """All pages come out as one list, each object with its kind; selectors choose."""
    for number in range(5):
        obj = config_map(namespace, f"c{number}")
        obj["metadata"]["labels"] = {"parity": "even" if number % 2 == 0 else "odd"}
        await cluster.create(obj)
    pages = [page async for page in cluster.pages(kinds.CONFIGMAP, namespace, limit=2)]
    names = [item["metadata"]["name"] for page in pages for item in page.items]
    assert len(pages) >= 3
    assert len({page.resource_version for page in pages}) == 1
    assert {f"c{number}" for number in range(5)} <= set(names)
    even = await cluster.list(kinds.CONFIGMAP, namespace, "parity=even")
    assert [(obj["kind"], obj["metadata"]["name"]) for obj in even] == [("ConfigMap", f"c{n}") for n in (0, 2, 4)]
    (one,) = await cluster.list(kinds.CONFIGMAP, namespace, fields="metadata.name=c3")
    assert one["metadata"]["name"] == "c3"


async def test_watch_tells_what_happens(cluster, namespace):
    """A watch tells of creation, change and deletion in order, from the moment asked for."""
    (page,) = [page async for page in cluster.pages(kinds.CONFIGMAP, namespace)]

    async def act():
        await cluster.create(config_map(namespace, "a"))
        await cluster.patch(kinds.CONFIGMAP, namespace, "a", {"data": {"x": "y"}})
        await cluster.delete(kinds.CONFIGMAP, namespace, "a")

    told = []
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        group.create_task(act())
        changes = cluster.watch(
            kinds.CONFIGMAP, namespace, resource_version=page.resource_version, fields="metadata.name=a"
        )
        async with contextlib.aclosing(changes):
            async for change in changes:
                told.append(change.type)
                if change.type == "DELETED":
                    break
    assert [type_ for type_ in told if type_ != "BOOKMARK"] == ["ADDED", "MODIFIED", "DELETED"]


async def test_watch_ends_when_asked(cluster, namespace):
    """The server ends a watch after the seconds asked for, without an error."""
    async with asyncio.timeout(DEADLINE):
        changes = cluster.watch(kinds.CONFIGMAP, namespace, fields="metadata.name=z", resource_version="0", seconds=1)
        assert [change async for change in changes if change.type != "BOOKMARK"] == []


async def test_watch_carries_objects_larger_than_any_buffer(cluster, namespace):
    """An object of nearly a megabyte comes through a watch whole."""
    await cluster.create(config_map(namespace, "big", data="x" * 900_000))
    async with asyncio.timeout(DEADLINE):
        changes = cluster.watch(kinds.CONFIGMAP, namespace, fields="metadata.name=big")
        async with contextlib.aclosing(changes):
            change = await anext(changes)
    assert len(change.object["data"]["data"]) == 900_000


async def test_identity_and_version(cluster):
    """The server says who we are and which version it is."""
    assert "system:masters" in (await cluster.whoami())["groups"] or (await cluster.whoami())["username"]
    assert (await cluster.server_version()).startswith("v1.")


async def test_tokens_and_reviews(cluster, namespace, kubeconfig, tmp_path):
    """A service account's token authenticates, is known to TokenReview, and may do nothing it was not given."""
    await default_service_account(cluster, namespace)
    token = await cluster.create_token(namespace, "default", expiry_seconds=600)
    review = await cluster.create(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {"token": token}}
    )
    user = f"system:serviceaccount:{namespace}:default"
    assert (review["status"]["authenticated"], review["status"]["user"]["username"]) == (True, user)
    wanted = {"user": user, "resourceAttributes": {"verb": "list", "resource": "secrets", "namespace": namespace}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": wanted}
    answer = await cluster.post(kinds.SUBJECT_ACCESS_REVIEW.path(), body)
    assert answer["status"]["allowed"] is False
    limited = cluster_with_token(cluster, token)
    async with limited:
        assert await limited.bearer_token() == token
        assert (await limited.whoami())["username"] == user
        with pytest.raises(errors.Forbidden, match="secrets is forbidden: User"):
            await limited.list(kinds.SECRET, namespace)


async def test_a_wrong_token_is_unauthorized(cluster):
    """A token nobody issued is told apart from a right that is lacking."""
    async with cluster_with_token(cluster, "nonsense") as stranger:
        with pytest.raises(errors.Unauthorized):
            await stranger.list(kinds.SECRET, "default")


async def test_fenced_writes_are_not_sent(cluster, namespace):
    """Once the fence is down, no write leaves, whatever the verb; reading goes on."""
    open_ = True
    view = cluster.fenced(lambda: open_)
    await view.apply(config_map(namespace, "a"), manager=MANAGER)
    open_ = False
    writes = [
        view.apply(config_map(namespace, "a", x="y"), manager=MANAGER),
        view.create(config_map(namespace, "b")),
        view.patch(kinds.CONFIGMAP, namespace, "a", {"data": {"x": "y"}}),
        view.delete(kinds.CONFIGMAP, namespace, "a"),
    ]
    for write in writes:
        with pytest.raises(errors.Conflict, match="does not hold the lease"):
            await write
    assert "data" not in await view.get(kinds.CONFIGMAP, namespace, "a")


def cluster_with_token(cluster, token):
    return cluster_with_proof(cluster, access.Fixed(f"Bearer {token}"))


def cluster_with_proof(cluster, proof):
    found = cluster._sender.access
    changed = dataclasses.replace(found, proof=proof, tls=_tls_without_certificate(found))
    return client.Cluster(transport.Transport(changed, user_agent="mayfly-test"))


def _tls_without_certificate(found):
    tls = ssl.create_default_context()
    for der in found.tls.get_ca_certs(binary_form=True):
        tls.load_verify_locations(cadata=der)
    return tls


async def test_a_renewed_token_is_picked_up(cluster, namespace, tmp_path):
    """When the server refuses a token that the kubelet has replaced meanwhile, the new one is tried at once."""
    await default_service_account(cluster, namespace)
    file = tmp_path / "token"
    file.write_text("revoked")
    proof = access.TokenFile(file)
    await proof.header(fresh=False)
    file.write_text(await cluster.create_token(namespace, "default", expiry_seconds=600))
    async with cluster_with_proof(cluster, proof) as renewed:
        assert (await renewed.whoami())["username"] == f"system:serviceaccount:{namespace}:default"


async def test_no_foreign_exception_comes_out(tmp_path):
    """A server that is not there is our error, with its address in it."""
    nowhere = access.Access(host="https://127.0.0.1:1", tls=None, proof=access.Fixed(None), namespace="default")
    async with client.Cluster(transport.Transport(nowhere, user_agent="test")) as cluster:
        for call in (
            cluster.get(kinds.POD, "a", "b"),
            cluster.list(kinds.POD),
            cluster.apply(config_map("a", "b"), manager=MANAGER),
            anext(cluster.watch(kinds.POD)),
            anext(cluster.logs("a", "b")),
            cluster.service_proxy("a", "b", 80).__aenter__(),
        ):
            with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:1 did not answer"):
                await call
