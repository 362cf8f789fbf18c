"""Who may send events to a namespace, by the word of the real API server."""

from __future__ import annotations

import base64
import pathlib
import uuid

import pytest
import yaml

from mayfly.cluster import client, kinds
from mayfly.eventing.reception import keys, senders
from mayfly.model import handover, names
from tests import ports
from tests.contract.eventing import world as worlds
from tests.unit.events import cases

RBAC = "rbac.authorization.k8s.io/v1"
BINDING = kinds.Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
ALLOWED = [{"apiGroups": [names.GROUP], "resources": ["functions/events"], "verbs": ["create"]}]
READER = [{"apiGroups": [names.GROUP], "resources": ["functions/events"], "verbs": ["get", "list"]}]
KEY = "6d1f0f9c4b7e4c3b9a55e0a8"
OLD_KEY = "c2b19d0e77aa4f60b3d1f5e4"
SHORT = "too-short"


class People:
    """Accounts of one namespace, each with what it may there."""

    def __init__(self, world, kubeconfig):
        self.world = world
        self.kubeconfig = kubeconfig
        self.namespace = f"events-{uuid.uuid4().hex[:8]}"
        self.other = f"events-{uuid.uuid4().hex[:8]}"
        self.tokens = {}

    def on_cluster(self, work):
        async def run():
            async with await client.connect(kubeconfig=self.kubeconfig) as cluster:
                return await work(cluster)

        return self.world.run(run())

    async def populate(self, cluster):
        for namespace in (self.namespace, self.other):
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for name, namespace, rules in (
            ("sender", self.namespace, ALLOWED),
            ("reader", self.namespace, READER),
            ("leaver", self.namespace, ALLOWED),
            ("neighbour", self.other, ALLOWED),
        ):
            await self.make_person(cluster, namespace, name, rules)
            self.tokens[name] = await cluster.create_token(namespace, name)
        self.tokens["sender for mayfly"] = await cluster.create_token(self.namespace, "sender", audiences=["mayfly"])
        self.tokens["sender for another"] = await cluster.create_token(self.namespace, "sender", audiences=["vault"])
        await cluster.create(make_secret(self.namespace, shop=f"{KEY}\n", old=OLD_KEY, short=SHORT))

    async def make_person(self, cluster, namespace, name, rules):
        place = {"name": name, "namespace": namespace}
        subject = {"kind": "ServiceAccount", **place}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        rbac = f"/apis/{RBAC}/namespaces/{namespace}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place}
        await cluster.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        await cluster.post(f"{rbac}/roles", {"apiVersion": RBAC, "kind": "Role", "metadata": place, "rules": rules})
        binding = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": place}
        await cluster.post(f"{rbac}/rolebindings", {**binding, "subjects": [subject], "roleRef": role})

    async def clear(self, cluster):
        for namespace in (self.namespace, self.other):
            await cluster.delete(kinds.NAMESPACE, None, namespace)

    def post(self, *headers, path=None):
        """Post an event of its own to the namespace, as whoever ``headers`` prove."""
        event = cases.make_binary(id=uuid.uuid4().hex)
        return self.world.send("POST", path or f"/events/{self.namespace}", [*headers, *event])

    def read_client(self, answer):
        """Return whom an accepted event is from, as it is kept."""
        (delivery,) = answer.document["deliveries"]
        return self.world.find(self.namespace, delivery["id"])[2].client


def make_secret(namespace, **entries):
    data = {name: base64.b64encode(text.encode()).decode() for name, text in entries.items()}
    metadata = {"name": names.EVENT_KEYS_SECRET, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


@pytest.fixture(scope="module")
def people(world, cluster_env):
    found = People(world, cluster_env["KUBECONFIG"])
    try:
        found.on_cluster(found.populate)
        world.put(found.namespace, "mail", triggers=[{"event": {"source": "/shop/orders"}}])
        yield found
    finally:
        found.on_cluster(found.clear)


def bearer(token):
    return ("authorization", f"Bearer {token}")


@pytest.mark.parametrize("person", ["sender", "sender for mayfly"])
@pytest.mark.parametrize("header", ["authorization", "mayfly-token"])
def test_an_account_with_the_right_may_send(people, person, header):
    token = people.tokens[person]
    answer = people.post((header, f"Bearer {token}" if header == "authorization" else token))
    assert answer.status == 202
    assert people.read_client(answer) == f"system:serviceaccount:{people.namespace}:sender"


@pytest.mark.parametrize("person", ["reader", "neighbour"])
def test_an_account_without_the_right_may_not(people, person):
    """A right in another namespace, or to read, is none here; the answer says which rule would help."""
    before = people.world.count(people.namespace)
    answer = people.post(bearer(people.tokens[person]))
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert "may not create functions/events" in answer.document["detail"]
    assert people.world.count(people.namespace) == before


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Basic YTpi")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer abc.def.ghi")],
        [("authorization", "Bearer \xe9")],
        [("authorization", f"Bearer {'x' * 20_000}")],
        [("mayfly-token", "x")],
        [("x-api-key", "")],
        [("x-api-key", "\xe9" * 16)],
        [("x-api-key", SHORT)],
        [("x-api-key", KEY[:-1])],
        [("x-api-key", f"{KEY}0")],
        [("x-api-key", names.EVENT_KEYS_SECRET)],
        [(handover.CLIENT, "ada")],
        [(handover.TOKEN, worlds.TOKEN), (handover.CLIENT, "ada")],
    ],
    ids=lambda headers: " ".join(f"{name}={value[:20]!a}" for name, value in headers) or "nothing",
)
def test_nobody_else_may(people, headers):
    """Not even with the internal token: on the public path it would open every namespace."""
    before = people.world.count(people.namespace)
    answer = people.post(*headers)
    assert (answer.status, answer.reason) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="mayfly"'
    assert people.world.count(people.namespace) == before


def test_the_refusal_names_the_ways(people):
    detail = people.post().document["detail"]
    for word in ("Authorization: Bearer", "X-API-Key", names.EVENT_KEYS_SECRET, people.namespace, "functions/events"):
        assert word in detail


def test_a_token_for_another_audience_is_none(people):
    assert people.post(bearer(people.tokens["sender for another"])).status == 401


def test_a_client_with_a_key_may_send(people):
    answer = people.post(("x-api-key", KEY))
    assert answer.status == 202
    assert people.read_client(answer) == "shop"


def test_a_key_is_worth_nothing_in_another_namespace(people):
    """Neither where there is no Secret, nor where there is no namespace."""
    for namespace in (people.other, "never-made"):
        answer = people.post(("x-api-key", KEY), path=f"/events/{namespace}")
        assert (answer.status, answer.reason) == (401, "Unauthorized")


def test_a_key_that_is_given_decides(people):
    """A wrong key is not made good by a token, so that a client learns of its mistake."""
    assert people.post(("x-api-key", "0" * 32), bearer(people.tokens["sender"])).status == 401


@pytest.mark.parametrize("path", ["/events", "/events/{}", "/v1/namespaces/{}/events"])
def test_credentials_are_checked_before_the_body_is_read_as_an_event(people, path):
    answer = people.world.send("POST", path.format(people.namespace), [], b"no event")
    assert answer.status == 401


def test_the_rest_api_vouches_for_its_caller(people):
    path = f"/v1/namespaces/{people.namespace}/events"
    answer = people.post((handover.TOKEN, worlds.TOKEN), (handover.CLIENT, "ada"), path=path)
    assert answer.status == 202
    assert people.read_client(answer) == "ada"
    for wrong in ("", "x", f"{worlds.TOKEN}x"):
        assert people.post((handover.TOKEN, wrong), bearer(people.tokens["sender"]), path=path).status == 401
    assert people.post(bearer(people.tokens["sender"]), path=path).status == 202
    assert people.post(bearer(people.tokens["reader"]), path=path).status == 403


def test_a_right_is_believed_for_a_while_and_not_longer(people):
    """A sender of many events costs the API server one question in ten seconds; a right taken away ends by then."""
    token = bearer(people.tokens["leaver"])
    assert people.post(token).status == 202

    async def take_away(cluster):
        await cluster.delete(BINDING, people.namespace, "leaver")

    people.on_cluster(take_away)
    assert people.post(token).status == 202
    people.world.clock.ahead += senders.ALLOWED_SECONDS
    assert people.post(token).status == 403


def test_a_key_is_believed_for_a_while_and_not_longer(people):
    assert people.post(("x-api-key", OLD_KEY)).status == 202
    new = uuid.uuid4().hex
    assert people.post(("x-api-key", new)).status == 401

    async def rotate(cluster):
        await cluster.apply(make_secret(people.namespace, shop=KEY, old=new), manager="test")

    people.on_cluster(rotate)
    assert people.post(("x-api-key", OLD_KEY)).status == 202
    people.world.clock.ahead += keys.BELIEVED_SECONDS
    assert people.post(("x-api-key", OLD_KEY)).status == 401
    assert people.post(("x-api-key", new)).status == 202


def test_that_there_is_no_secret_is_believed_for_a_while(people):
    path = f"/events/{people.other}"
    assert people.post(("x-api-key", KEY), path=path).status == 401

    async def make(cluster):
        await cluster.create(make_secret(people.other, shop=KEY))

    people.on_cluster(make)
    assert people.post(("x-api-key", KEY), path=path).status == 401
    people.world.clock.ahead += keys.BELIEVED_SECONDS
    assert people.post(("x-api-key", KEY), path=path).status == 202


@pytest.mark.parametrize("trouble", ["not there", "may not ask"])
@pytest.mark.parametrize("header", [bearer("x"), ("x-api-key", KEY)], ids=["token", "key"])
def test_nobody_may_while_kubernetes_gives_no_answer(people, open_world, tmp_path, header, trouble):
    config = yaml.safe_load(pathlib.Path(people.kubeconfig).read_text())
    if trouble == "not there":
        for cluster in config["clusters"]:
            cluster["cluster"]["server"] = f"https://127.0.0.1:{ports.free_port()}"
    else:
        for user in config["users"]:
            user["user"] = {"token": people.tokens["reader"]}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    world = open_world(str(kubeconfig))
    namespace = people.namespace
    world.put(namespace, "mail", triggers=[{"event": {"source": "/shop/orders"}}])
    answer = world.send("POST", f"/events/{namespace}", [header, *cases.make_binary()])
    assert (answer.status, answer.reason, answer.headers["retry-after"]) == (503, "ReviewFailed", "2")
    assert world.count() == 0
    assert world.post_event(namespace, cases.make_binary()).status == 202
