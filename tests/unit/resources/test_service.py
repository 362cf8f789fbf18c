"""The Knative Service that a spec becomes."""

from __future__ import annotations

import copy

import pytest

from mayfly.model import function, labels
from mayfly.resources import compare, owner, service

OWNER = owner.Owner("shop", "catalog", "uid-1")
IMAGE = "registry.example/mayfly/shop/catalog@sha256:" + "0" * 64


def make_spec(**fields):
    return function.FunctionSpec.model_validate({"source": {"inline": {"handler.py": ""}}, **fields})


def make(options=None, **fields):
    return service.make_service(OWNER, make_spec(**fields), image=IMAGE, options=options)


def revision_spec(**fields):
    return make(**fields)["spec"]["template"]["spec"]


def container(**fields):
    return revision_spec(**fields)["containers"][0]


def annotations(**fields):
    return make(**fields)["spec"]["template"]["metadata"]["annotations"]


def test_it_belongs_to_its_function():
    """Deleting the Function deletes the Service; the labels find it."""
    metadata = make()["metadata"]
    assert metadata["ownerReferences"][0] == {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "name": "catalog",
        "uid": "uid-1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert metadata["labels"][labels.FUNCTION] == "catalog"
    assert owner.is_owned(make(), OWNER)
    assert not owner.is_owned(make(), owner.Owner("shop", "catalog", "uid-2"))


def test_the_same_values_make_the_same_object():
    """Making is pure: twice the same, and neither call changes what the other returned."""
    first, second = make(), make()
    assert first == second
    first["spec"]["template"]["spec"]["volumes"].clear()
    assert second == make()


@pytest.mark.parametrize(
    ("idle", "window", "retention"),
    [("6s", "6s", "0s"), ("30s", "30s", "0s"), ("1m", "60s", "0s"), ("90s", "60s", "30s"), ("1h", "60s", "3540s")],
)
def test_idle_is_window_and_retention(idle, window, retention):
    """Both add up to idle, and the window never makes the autoscaler slow under load."""
    made = annotations(scaling={"idle": idle})
    assert window == made["autoscaling.knative.dev/window"]
    assert retention == made["autoscaling.knative.dev/scale-to-zero-pod-retention-period"]


@pytest.mark.parametrize(
    ("scaling", "burst"),
    [({}, None), ({"concurrency": 0}, "0"), ({"burst": 0}, "0"), ({"concurrency": 0, "burst": 5}, "5")],
)
def test_calls_make_no_detour_where_nothing_is_held(scaling, burst):
    """Without a limit of concurrency there is nothing to hold; otherwise Knative's own default counts."""
    assert burst == annotations(scaling=scaling).get("autoscaling.knative.dev/target-burst-capacity")


def test_idle_has_whole_seconds():
    """Knative takes no fraction of a second."""
    assert annotations(scaling={"idle": "6500ms"})["autoscaling.knative.dev/window"] == "7s"


def test_scale_bounds_and_concurrency():
    """Bounds are annotations, concurrency is a hard limit of the revision."""
    made = make(scaling={"min": 2, "max": 5, "concurrency": 7})["spec"]["template"]
    assert made["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "2"
    assert made["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "5"
    assert made["spec"]["containerConcurrency"] == 7


@pytest.mark.parametrize(("timeout", "seconds"), [("1s", 11), ("1500ms", 12), ("30s", 40), ("10m", 600)])
def test_the_runtime_rules_the_timeout(timeout, seconds):
    """The runtime gets the exact value; Knative waits longer, where it may, so that the answer names the limit."""
    made = revision_spec(timeout=timeout)
    fields = ("timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")
    assert {seconds} == {made[field] for field in fields}
    exact = next(item for item in made["containers"][0]["env"] if item["name"] == "MAYFLY_TIMEOUT_SECONDS")
    assert float(exact["value"]) == make_spec(timeout=timeout).timeout_seconds


def test_an_image_without_our_runtime_is_held_to_the_timeout_by_knative():
    """Nobody else would end its calls."""
    assert revision_spec(source={"image": "registry.example/other"}, timeout="30s")["timeoutSeconds"] == 30


def test_env_keeps_the_authors_order_after_ours():
    """Kubernetes expands $(NAME) from earlier entries, so order has a meaning; an empty value is left out."""
    made = container(env=[{"name": "B", "value": "$(MAYFLY_FUNCTION)"}, {"name": "A", "value": ""}])["env"]
    assert [item["name"] for item in made][-2:] == ["B", "A"]
    assert made[-1] == {"name": "A"}


def test_references_become_references():
    """Secrets and ConfigMaps are named, never read."""
    made = container(
        env=[
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "x", "optional": True}}},
        ],
        envFrom=[{"prefix": "P_", "secretRef": {"name": "all"}}, {"configMapRef": {"name": "m", "optional": True}}],
    )
    assert made["env"][-2:] == [
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "x", "optional": True}}},
    ]
    assert made["envFrom"] == [
        {"prefix": "P_", "secretRef": {"name": "all"}},
        {"configMapRef": {"name": "m", "optional": True}},
    ]


def test_volumes_do_not_depend_on_their_order():
    """Two manifests with the same volumes in another order make one revision."""
    volumes = [
        {"path": "/etc/shop", "secret": {"name": "s", "optional": True}},
        {"path": "/data", "emptyDir": {"sizeLimit": "1024Mi"}},
        {"path": "/conf", "configMap": {"name": "c"}},
    ]
    made = revision_spec(volumes=volumes)
    assert made == revision_spec(volumes=volumes[::-1])
    sources = [{key: value for key, value in volume.items() if key != "name"} for volume in made["volumes"]]
    assert sources == [
        {"emptyDir": {"sizeLimit": "512Mi"}},
        {"configMap": {"name": "c"}},
        {"emptyDir": {"sizeLimit": "1Gi"}},
        {"secret": {"secretName": "s", "optional": True}},
    ]
    mounts = made["containers"][0]["volumeMounts"]
    assert [(mount["mountPath"], mount.get("readOnly", False)) for mount in mounts] == [
        ("/tmp", False),
        ("/conf", True),
        ("/data", False),
        ("/etc/shop", True),
    ]
    assert [volume["name"] for volume in made["volumes"]] == [mount["name"] for mount in mounts]


def test_memory_is_requested_and_limited_cpu_only_requested():
    """A function may use idle CPU; memory cannot be taken back."""
    assert container(resources={"cpu": "0.25", "memory": "1024Mi"})["resources"] == {
        "requests": {"cpu": "250m", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }


def test_a_built_function_is_locked_down():
    """Restricted, our user, and nothing writable but /tmp."""
    made = container()
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
        "readOnlyRootFilesystem": True,
    }
    assert made["readinessProbe"]["httpGet"]["path"] == "/healthz/ready"
    assert revision_spec()["automountServiceAccountToken"] is False
    assert revision_spec()["enableServiceLinks"] is False


def test_an_image_of_the_authors_keeps_its_user_and_its_filesystem():
    """It is restricted all the same, and probed by a connection since it need not know our path."""
    made = container(source={"image": "docker.io/library/nginx"})
    assert "runAsUser" not in made["securityContext"]
    assert "readOnlyRootFilesystem" not in made["securityContext"]
    assert made["securityContext"]["runAsNonRoot"] is True
    assert "tcpSocket" in made["readinessProbe"]
    assert "volumeMounts" not in made


def test_visibility_is_a_label():
    """Knative keeps what carries it off the public gateway."""
    label = "networking.knative.dev/visibility"
    assert label not in make()["metadata"]["labels"]
    assert make(http={"visibility": "cluster-local"})["metadata"]["labels"][label] == "cluster-local"


def test_the_template_depends_on_spec_and_image_alone():
    """Another gateway class or visibility makes no new revision."""
    other = make(service.Options(ingress_class="other.example"), http={"visibility": "cluster-local"})
    assert make()["spec"]["template"] == other["spec"]["template"]


def test_a_pull_secret_is_named():
    """Only where the installation has one."""
    assert "imagePullSecrets" not in revision_spec()
    made = make(service.Options(image_pull_secret="registry"))["spec"]["template"]["spec"]
    assert made["imagePullSecrets"] == [{"name": "registry"}]


def drifted(change):
    live = copy.deepcopy(make(env=[{"name": "A", "value": "1"}]))
    change(live)
    return compare.find_drift(live, make(env=[{"name": "A", "value": "1"}]))


def test_what_others_add_is_no_drift():
    """Annotations, labels and defaults of Knative stay."""

    def add(live):
        live["metadata"]["annotations"]["serving.knative.dev/creator"] = "x"
        live["metadata"]["labels"]["team"] = "shop"
        live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
        live["status"] = {"url": "http://x"}

    assert drifted(add) is None


def _set_concurrency(live):
    live["spec"]["template"]["spec"]["containerConcurrency"] = 1


def _add_container(live):
    live["spec"]["template"]["spec"]["containers"].append({"name": "sidecar"})


def _drop_env(live):
    live["spec"]["template"]["spec"]["containers"][0]["env"].pop()


def _drop_owner(live):
    del live["metadata"]["ownerReferences"]


def _pin_traffic(live):
    live["spec"]["traffic"] = [{"revisionName": "catalog-00001", "percent": 100}]


@pytest.mark.parametrize("change", [_set_concurrency, _add_container, _drop_env, _drop_owner, _pin_traffic])
def test_an_edit_of_our_fields_is_drift(change):
    """Whatever we set and someone changed is found."""
    assert drifted(change) is not None


def test_a_removed_field_is_drift():
    """What we wanted before and do not want now changes the digest, the only trace that an absence leaves."""
    live = make(envFrom=[{"secretRef": {"name": "s"}}])
    assert compare.find_drift(live, make()) == ".metadata.annotations.mayfly.dev/applied"
