"""What the chart installs: rights, settings, names, volumes; rendered by helm as a user would."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from cryptography import x509

from mayfly import settings
from mayfly.gateway import bootstrap
from mayfly.model import names
from tests import charts

POSTGRES = ("--set=events.store=postgres", "--set=events.postgres.existingSecret=db", "--set=events.replicas=3")


@pytest.fixture(scope="module")
def installed():
    """The chart with its own values."""
    return charts.render()


def find_rules(objects, kind, name):
    """Return the rules of a role, each as (group, resources, verbs) or with the names at the end."""
    return [
        tuple(" ".join(rule[part]) for part in ("apiGroups", "resources", "verbs", "resourceNames") if part in rule)
        for rule in charts.find(objects, kind, name)["rules"]
    ]


def test_the_exact_rights_behind_events(installed):
    """Nothing more: above all no Secret but the one kind that holds keys of senders, and no write to a Function."""
    assert find_rules(installed, "ClusterRole", "mayfly-eventing") == [
        ("mayfly.dev", "functions", "get list watch"),
        ("authentication.k8s.io", "tokenreviews", "create"),
        ("authorization.k8s.io", "subjectaccessreviews", "create"),
        ("", "secrets", "get", names.EVENT_KEYS_SECRET),
        ("", "events", "create patch"),
    ]
    assert find_rules(installed, "Role", "mayfly-eventing") == [
        ("coordination.k8s.io", "leases", "create"),
        ("coordination.k8s.io", "leases", "get update patch", names.EVENTING),
        ("discovery.k8s.io", "endpointslices", "get list watch"),
    ]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        (subject,) = charts.find(installed, kind, "mayfly-eventing")["subjects"]
        assert (subject["kind"], subject["name"]) == ("ServiceAccount", "mayfly-eventing")


def test_secrets_of_sources(installed):
    """The controller may get them, no more, and where the operator says no, only the token that it has made."""
    assert ("", "secrets", "get") in find_rules(installed, "ClusterRole", "mayfly-controller")
    without = charts.render("--set=builder.sourceSecrets=false")
    assert not any("secrets" in rule[1] for rule in find_rules(without, "ClusterRole", "mayfly-controller"))
    assert find_rules(without, "Role", "mayfly-controller")[-2:] == [
        ("", "secrets", "create"),
        ("", "secrets", "get", names.INTERNAL_SECRET),
    ]


def test_the_rights_of_people(installed):
    """Who views sees invocations, who edits steers them and may send events."""
    assert find_rules(installed, "ClusterRole", "mayfly-view") == [
        ("mayfly.dev", "functions functions/status functions/log", "get list watch"),
        ("mayfly.dev", "functions/invocations", "get list"),
    ]
    assert find_rules(installed, "ClusterRole", "mayfly-edit")[-2:] == [
        ("mayfly.dev", "functions/invocations", "get list update delete"),
        ("mayfly.dev", "functions/events", "create"),
    ]


def test_knative_may_read_where_a_function_is_reached(installed):
    """By the label that its ClusterRole addressable-resolver gathers; what it reads is status.address."""
    labelled = [item for item in installed if "duck.knative.dev/addressable" in item["metadata"].get("labels", {})]
    (role,) = labelled
    assert role["metadata"]["labels"]["duck.knative.dev/addressable"] == "true"
    assert find_rules(installed, "ClusterRole", role["metadata"]["name"]) == [
        ("mayfly.dev", "functions functions/status", "get list watch")
    ]


def find_container(objects, deployment, container):
    spec = charts.find(objects, "Deployment", deployment)["spec"]["template"]["spec"]
    (found,) = [item for item in spec["containers"] if item["name"] == container]
    return found


def find_env(objects, deployment, container):
    env = find_container(objects, deployment, container)["env"]
    return {item["name"]: item.get("value") for item in env}


READERS = {
    ("mayfly-controller", "controller"): settings.ControllerSettings,
    ("mayfly-builder", "builder"): settings.BuilderSettings,
    ("mayfly-gateway", "control"): settings.GatewaySettings,
    ("mayfly-gateway", "envoy"): bootstrap.EnvoySettings,
    ("mayfly-api", "api"): settings.ApiSettings,
    ("mayfly-eventing", "eventing"): settings.EventingSettings,
}


def read_settings(monkeypatch, objects, deployment, container):
    """Return the settings as the process reads them; what the kubelet fills in is ``pod``."""
    with monkeypatch.context() as patched:
        for name, value in find_env(objects, deployment, container).items():
            patched.setenv(name, "pod" if value is None else value)
        return READERS[deployment, container]()


@pytest.mark.parametrize("words", [(), POSTGRES, ("--set=events.enabled=false",)], ids=["sqlite", "postgres", "none"])
def test_every_variable_is_read_by_its_process(words, monkeypatch):
    """A misspelt one would be ignored without a word; a value that its process refuses would end it at the start."""
    objects = charts.render(*words)
    for (deployment, container), model in READERS.items():
        if deployment == "mayfly-eventing" and "--set=events.enabled=false" in words:
            continue
        env = find_env(objects, deployment, container)
        known = {f"MAYFLY_{name.upper()}" for name in model.model_fields}
        assert {name for name in env if name.startswith("MAYFLY_")} - known == set(), deployment
        read_settings(monkeypatch, objects, deployment, container)


def test_values_reach_the_processes(monkeypatch):
    """What an operator writes is what the processes read."""
    given = {
        "events": {
            "hosts": ["events.shop.example"],
            "tlsSecret": "events-certificate",
            "defaultNamespace": "shop",
            "destinations": {"hosts": [".shop.example"], "networks": ["10.96.0.0/12"]},
            "callbacks": True,
            "maxWaiting": 1_000_000,
            "resultRetention": "90m",
        },
        "gateway": {"functionPaths": {"hosts": ["fn.shop.example"], "async": True}},
        "builder.sourceNetworks": ["10.0.0.0/8"],
    }
    words = [f"--set-json={key}={json.dumps(value)}" for key, value in given.items()]
    objects = charts.render(*words)
    eventing = read_settings(monkeypatch, objects, "mayfly-eventing", "eventing")
    builder = read_settings(monkeypatch, objects, "mayfly-builder", "builder")
    gateway = read_settings(monkeypatch, objects, "mayfly-gateway", "control")
    assert (eventing.default_namespace, eventing.callbacks, eventing.max_waiting) == ("shop", True, 1_000_000)
    assert (eventing.destination_hosts, eventing.result_retention_seconds) == ((".shop.example",), 5400.0)
    assert [str(network) for network in eventing.destination_networks] == ["10.96.0.0/12"]
    assert [str(network) for network in builder.source_networks] == ["10.0.0.0/8"]
    assert (gateway.event_hosts, gateway.alias_async) == (("events.shop.example",), True)
    assert gateway.event_tls_secret == "mayfly-system/events-certificate"
    assert gateway.eventing_service == "mayfly-system/mayfly-eventing:8080"


def test_without_events_nothing_of_them_is_there():
    """And every process knows."""
    objects = charts.render("--set=events.enabled=false")
    assert [item["metadata"]["name"] for item in objects if "event" in item["metadata"]["name"]] == []
    assert find_env(objects, "mayfly-controller", "controller")["MAYFLY_EVENTS_ENABLED"] == "false"
    assert find_env(objects, "mayfly-api", "api")["MAYFLY_EVENTING_URL"] == ""
    assert "MAYFLY_EVENTING_SERVICE" not in find_env(objects, "mayfly-gateway", "control")


def test_one_file_has_one_writer(installed):
    """The old pod is gone before the new one opens the file, which outlives the release."""
    spec = charts.find(installed, "Deployment", "mayfly-eventing")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    claim = charts.find(installed, "PersistentVolumeClaim", "mayfly-eventing")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}
    assert {"name": "store", "persistentVolumeClaim": {"claimName": "mayfly-eventing"}} in spec["template"]["spec"][
        "volumes"
    ]


@pytest.mark.parametrize(
    ("given", "claims", "claimed", "chosen"),
    [
        (("--set=events.sqlite.existingClaim=mine",), [], "mine", None),
        (("--set=events.sqlite.storageClass=fast",), ["mayfly-eventing"], "mayfly-eventing", "fast"),
        (("--set=events.sqlite.storageClass=-",), ["mayfly-eventing"], "mayfly-eventing", ""),
    ],
    ids=["a claim of one's own", "a class", "no class"],
)
def test_where_the_file_is_kept(given, claims, claimed, chosen):
    objects = charts.render(*given)
    made = [item for item in objects if item["kind"] == "PersistentVolumeClaim"]
    assert [item["metadata"]["name"] for item in made] == claims
    assert [item["spec"].get("storageClassName") for item in made] == [chosen for _ in claims]
    volumes = charts.find(objects, "Deployment", "mayfly-eventing")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "store", "persistentVolumeClaim": {"claimName": claimed}} in volumes


def test_a_database_has_any_number_of_writers():
    """Replaced one after the other, never fewer than asked for; no volume."""
    objects = charts.render(*POSTGRES)
    spec = charts.find(objects, "Deployment", "mayfly-eventing")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (3, {"rollingUpdate": {"maxUnavailable": 0}})
    assert charts.find(objects, "PodDisruptionBudget", "mayfly-eventing")["spec"]["minAvailable"] == 1
    assert [item for item in objects if item["kind"] == "PersistentVolumeClaim"] == []
    secret = {"secretName": "db", "items": [{"key": "dsn", "path": "dsn"}]}
    assert {"name": "postgres", "secret": secret} in spec["template"]["spec"]["volumes"]


def test_only_gateway_and_api_reach_the_process_behind_events(installed):
    """Figures are for everybody."""
    policy = charts.find(installed, "NetworkPolicy", "mayfly-eventing")["spec"]
    within, figures = policy["ingress"]
    assert within["ports"] == [{"port": "http"}]
    assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in within["from"]] == [
        "gateway",
        "api",
    ]
    assert figures == {"ports": [{"port": "metrics"}]}


def test_events_are_posted_to_the_gateway(installed):
    """The name that the gateway knows leads to its internal listener."""
    service = charts.find(installed, "Service", names.EVENTS_SERVICE)["spec"]
    assert service["selector"]["app.kubernetes.io/component"] == "gateway"
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(80, "internal")]
    ports = {
        port["name"]: port["containerPort"] for port in find_container(installed, "mayfly-gateway", "envoy")["ports"]
    }
    assert ports["internal"] == settings.GatewaySettings().internal_port


def test_names_that_the_processes_know_stay_what_they_are():
    """Another prefix changes neither the Services nor the Lease that the code names."""
    objects = charts.render("--set=nameOverride=other")
    for service in (names.EVENTS_SERVICE, names.EVENTING):
        charts.find(objects, "Service", service)
    assert find_rules(objects, "Role", "other-eventing")[1][-1] == names.EVENTING
    env = find_env(objects, "other-gateway", "control")
    assert env["MAYFLY_EVENTING_SERVICE"] == f"mayfly-system/{names.EVENTING}:8080"
    assert (
        find_env(objects, "other-api", "api")["MAYFLY_EVENTING_URL"]
        == f"http://{names.EVENTING}.mayfly-system.svc:8080"
    )


def test_who_holds_the_internal_token(installed):
    """Four processes; Envoy, which faces strangers, does not."""
    holders = set()
    for deployment in (item for item in installed if item["kind"] == "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        volumes = {
            item["name"] for item in spec["volumes"] if item.get("secret", {}).get("secretName") == "mayfly-internal"
        }
        for container in spec["containers"]:
            if volumes & {mount["name"] for mount in container["volumeMounts"]}:
                holders.add(container["name"])
    assert holders == {"builder", "control", "api", "eventing"}


def read_certificate(objects):
    """Return the certificate of the webhook, its authority, and the end that its annotation says."""
    secret = charts.find(objects, "Secret", "mayfly-webhook")
    load = x509.load_pem_x509_certificate
    made, authority = (load(charts.decode(secret["data"][key])) for key in ("tls.crt", "ca.crt"))
    ends = int(secret["metadata"]["annotations"]["mayfly.dev/certificate-ends"])
    return made, authority, dt.datetime.fromtimestamp(ends, dt.UTC)


def test_the_webhooks_certificate(installed):
    """For its Service's name, by the authority that the API server is told, for ten years; the annotation is right."""
    made, authority, ends = read_certificate(installed)
    made.verify_directly_issued_by(authority)
    hook = charts.find(installed, "ValidatingWebhookConfiguration", "mayfly-triggers")["webhooks"][0]["clientConfig"]
    assert x509.load_pem_x509_certificate(charts.decode(hook["caBundle"])) == authority
    asked = f"{hook['service']['name']}.{hook['service']['namespace']}.svc"
    alternative = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert asked in alternative.get_values_for_type(x509.DNSName)
    assert abs(made.not_valid_after_utc - ends) < dt.timedelta(minutes=1)
    assert abs(made.not_valid_after_utc - made.not_valid_before_utc - dt.timedelta(days=3650)) < dt.timedelta(days=1)


def test_the_webhook_leads_to_every_controller(installed):
    """The Service has the port that the controller listens on."""
    env = find_env(installed, "mayfly-controller", "controller")
    ports = find_container(installed, "mayfly-controller", "controller")["ports"]
    listens = {port["name"]: port["containerPort"] for port in ports}
    (port,) = charts.find(installed, "Service", "mayfly-controller")["spec"]["ports"]
    assert (port["port"], listens[port["targetPort"]]) == (443, int(env["MAYFLY_WEBHOOK_PORT"]))


def test_a_certificate_of_ones_own():
    """Nothing is made then; the authority is the one given, or comes by an annotation."""
    own = "--set=admission.existingSecret=mine"
    objects = charts.render(own, "--set=admission.caBundle=PEM")
    assert [item for item in objects if item["kind"] == "Secret"] == []
    hook = charts.find(objects, "ValidatingWebhookConfiguration", "mayfly-triggers")["webhooks"][0]
    assert charts.decode(hook["clientConfig"]["caBundle"]) == b"PEM"
    objects = charts.render(own, '--set-json=admission.annotations={"cert-manager.io/inject-ca-from":"a/b"}')
    made = charts.find(objects, "ValidatingWebhookConfiguration", "mayfly-triggers")
    assert "caBundle" not in made["webhooks"][0]["clientConfig"]
    assert made["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": "a/b"}
    volumes = charts.find(objects, "Deployment", "mayfly-controller")["spec"]["template"]["spec"]["volumes"]
    assert [item["secret"]["secretName"] for item in volumes if "secret" in item] == ["mine"]


def test_without_the_webhook_nothing_of_it_is_there():
    objects = charts.render("--set=admission.enabled=false")
    assert [item["kind"] for item in objects if item["kind"] in {"Secret", "ValidatingWebhookConfiguration"}] == []
    assert "MAYFLY_WEBHOOK_PORT" not in find_env(objects, "mayfly-controller", "controller")
