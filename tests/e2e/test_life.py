"""A Function's life on the cluster: applied, ready, idle at zero, woken, updated, healed, deleted."""

import json

from tests.e2e.person import make_function, wait_until

GREETING = "def hello(request):\n    return 'one'\n"


def pods(user, name):
    return json.loads(user.kubectl("get", "pods", "-l", f"serving.knative.dev/service={name}", "-o", "json"))["items"]


def test_apply_to_answer_to_zero_and_back(user):
    """The one sentence of the product: apply, ready, called; no instance when idle; woken by the next call."""
    user.apply(make_function("hello", {"main.py": GREETING}, scaling={"idle": "6s"}))
    user.wait_ready("hello")
    assert user.call("hello").text == "one"
    status = user.get("fn", "hello")["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys(
        ["Built", "Deployed", "Routed", "Triggered", "Ready"], "True"
    )
    assert "@sha256:" in status["image"]
    assert status["signature"] == "http"
    wait_until(lambda: not pods(user, "hello"), 120, "scale to zero")
    assert user.call("hello").text == "one"


def test_an_update_replaces_the_code(user):
    user.apply(make_function("hello", {"main.py": GREETING}))
    user.wait_ready("hello")
    user.apply(make_function("hello", {"main.py": GREETING.replace("one", "two")}))
    wait_until(lambda: user.call("hello").text == "two", 60, "new code")
    assert len(json.loads(user.kubectl("get", "revisions", "-o", "json"))["items"]) == 2


def test_a_config_map_is_a_source_and_its_edit_deploys(user):
    user.kubectl("create", "configmap", "code", f"--from-literal=main.py={GREETING}")
    function = make_function("from-map", {})
    function["spec"]["source"] = {"configMap": {"name": "code"}}
    user.apply(function)
    user.wait_ready("from-map")
    assert user.call("from-map").text == "one"
    user.kubectl("patch", "configmap", "code", "-p", json.dumps({"data": {"main.py": GREETING.replace("one", "two")}}))
    wait_until(lambda: user.call("from-map").text == "two", 60, "new code")


def test_a_child_deleted_or_edited_by_hand_comes_back_and_foreign_fields_stay(user):
    user.apply(make_function("hello", {"main.py": GREETING}))
    user.wait_ready("hello")
    user.kubectl("annotate", "ksvc", "hello", "team.example/owner=ada")
    user.kubectl("patch", "ksvc", "hello", "--type=merge", "-p", '{"spec":{"template":{"spec":{"timeoutSeconds":7}}}}')
    wait_until(lambda: user.get("ksvc", "hello")["spec"]["template"]["spec"]["timeoutSeconds"] == 40, 10, "edit undone")
    assert user.get("ksvc", "hello")["metadata"]["annotations"]["team.example/owner"] == "ada"
    before = user.get("ksvc", "hello")["metadata"]["uid"]
    user.kubectl("delete", "ksvc", "hello")
    wait_until(
        lambda: (
            user.run("kubectl", "-n", user.namespace, "get", "ksvc", "hello").code == 0
            and user.get("ksvc", "hello")["metadata"]["uid"] != before
        ),
        10,
        "child back",
    )
    user.wait_ready("hello")


def test_deleting_the_function_removes_all_it_made(user):
    user.apply(make_function("hello", {"main.py": GREETING}))
    user.wait_ready("hello")
    user.kubectl("delete", "fn", "hello")
    kinds = "ksvc,configurations,routes,revisions,pods,services,kingress,podautoscalers"
    wait_until(lambda: not user.kubectl("get", kinds, "-o", "name"), 60, "children gone")


def test_a_cluster_local_function_is_not_served_outside(user):
    user.apply(make_function("inner", {"main.py": GREETING}, http={"visibility": "cluster-local"}))
    user.wait_ready("inner")
    assert user.get("fn", "inner")["status"]["url"].endswith(f"inner.{user.namespace}.svc.cluster.local")
    assert user.call("inner").status_code == 404


def test_environment_volumes_and_scaling_reach_the_instance(user):
    user.kubectl("create", "secret", "generic", "db", "--from-literal=password=s3cret")
    user.kubectl("create", "configmap", "shop", "--from-literal=currency=EUR", "--from-literal=SHOP=blue")
    code = (
        "import os, pathlib\n"
        "def show(request):\n"
        "    return {'a': os.environ['A'], 'password': os.environ['PASSWORD'], 'shop': os.environ['SHOP'],\n"
        "            'file': pathlib.Path('/etc/shop/currency').read_text()}\n"
    )
    function = make_function(
        "configured",
        {"main.py": code},
        env=[
            {"name": "A", "value": "1"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        ],
        envFrom=[{"configMapRef": {"name": "shop"}}],
        volumes=[{"path": "/etc/shop", "configMap": {"name": "shop"}}],
        scaling={"min": 1, "max": 3, "concurrency": 5},
        resources={"cpu": "50m", "memory": "96Mi"},
    )
    user.apply(function)
    user.wait_ready("configured")
    assert user.call("configured").json() == {"a": "1", "password": "s3cret", "shop": "blue", "file": "EUR"}
    user.kubectl("scale", "fn/configured", "--replicas=2")
    wait_until(lambda: user.get("fn", "configured")["status"]["replicas"] == 2, 60, "two instances")


def test_an_instance_carries_no_credential_of_the_cluster(user):
    code = (
        "import os\n"
        "def look(request):\n"
        "    return {'token': os.path.exists('/var/run/secrets/kubernetes.io'), 'uid': os.getuid()}\n"
    )
    user.apply(make_function("bare", {"main.py": code}))
    user.wait_ready("bare")
    assert user.call("bare").json() == {"token": False, "uid": 65532}
