"""Values at and beyond the rules of the CRD: cut, or dropped with a remark, never passed on."""

from __future__ import annotations

import json

import pytest

from mayfly.migrate import draft, ledger, migration, reach, text
from tests.unit.migrate import samples

CARRIED, CHANGED, LOST = ledger.Outcome


def migrate_func(**fields):
    document = {"name": "f", "runtime": "python"} | fields
    (one,) = migration.migrate({"func.yaml": json.dumps(document).encode()}, root="shop").functions
    samples.check_manifest(one.manifest)
    return one


def migrate_fission(**spec):
    document = {"apiVersion": "fission.io/v1", "kind": "Function", "metadata": {"name": "f"}, "spec": spec}
    (one,) = migration.migrate({"f.yaml": json.dumps(document).encode()}, root="shop").functions
    samples.check_manifest(one.manifest)
    return one


def find(one, field):
    return next(entry for entry in one.entries if entry.field.endswith(field))


@pytest.mark.parametrize(
    ("seconds", "kept", "outcome"),
    [
        (60, "60s", CARRIED),
        (600, "600s", CARRIED),
        (601, "600s", CHANGED),
        (10**17, "600s", CHANGED),
        (0, None, LOST),
        (-1, None, LOST),
        ("soon", None, LOST),
        ("90s", "90s", CARRIED),
        ("250ms", "1s", CHANGED),
    ],
)
def test_timeouts(seconds, kept, outcome):
    one = migrate_fission(functionTimeout=seconds)
    assert one.manifest["spec"].get("timeout") == kept
    assert find(one, "functionTimeout").outcome is outcome


@pytest.mark.parametrize(("seconds", "kept"), [(120, "120s"), (1, "6s"), (86400, "3600s")])
def test_idle_times(seconds, kept):
    assert migrate_fission(idletimeout=seconds).manifest["spec"]["scaling"] == {"idle": kept}


@pytest.mark.parametrize(
    ("scale", "kept"),
    [
        ({"min": 1, "max": 3}, {"min": 1, "max": 3}),
        ({"min": 5, "max": 2}, {"min": 5, "max": 5}),
        ({"min": 30}, {"min": 30, "max": 30}),
        ({"min": 30, "max": 0}, {"min": 30, "max": 0}),
        ({"min": 5000, "max": 5000}, {"min": 1000, "max": 1000}),
        ({"min": -1}, None),
        ({"min": "two"}, None),
        ({"min": 1.5}, None),
    ],
)
def test_scales(scale, kept):
    one = migrate_func(deploy={"options": {"scale": scale}})
    assert one.manifest["spec"].get("scaling") == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [("0.5", "500m"), (2, "2"), ("1024Mi", "1Gi"), ("-1", None), ("1e999999999", None), ("lots", None), ([], None)],
)
def test_quantities(written, kept):
    one = migrate_func(deploy={"options": {"resources": {"limits": {"memory": written}}}})
    assert one.manifest["spec"].get("resources", {}).get("memory") == kept


def test_a_variable_that_is_set_twice_keeps_its_first_value():
    one = migrate_func(run={"envs": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})
    assert one.manifest["spec"]["env"] == [{"name": "A", "value": "1"}]
    assert find(one, "envs[1]").outcome is LOST


@pytest.mark.parametrize("name", ["", "a-b", "1a", "PORT", "K_SERVICE", "MAYFLY_X", "PYTHONPATH", "a" * 257, "ä"])
def test_names_that_no_variable_can_have(name):
    one = migrate_func(run={"envs": [{"name": name, "value": "1"}]})
    assert "env" not in one.manifest["spec"]
    assert find(one, "envs[0]").outcome is LOST


@pytest.mark.parametrize("path", ["", "/", "etc/x", "/etc", "/proc/x", "/a/../b", "/a//b", "/opt/mayfly/x", "/a\nb"])
def test_places_where_nothing_can_be_mounted(path):
    one = migrate_func(run={"volumes": [{"secret": "s", "path": path}]})
    assert "volumes" not in one.manifest["spec"]
    assert find(one, "volumes[0]").outcome is LOST


@pytest.mark.parametrize("domain", ["localhost", "a.svc", "x.svc.cluster.local", "-a.b", "a b.c", "a" * 300 + ".b"])
def test_hosts_that_are_none(domain):
    one = migrate_func(domain=domain)
    assert "http" not in one.manifest["spec"]
    assert find(one, "domain").outcome is LOST


def test_a_protection_that_is_found_late_takes_hosts_back():
    target = draft.Draft("f.yaml", "f", None, "")
    assert reach.host(target, text.Node("host", "a.example", "a.example"), "a.example")
    reach.route(target, text.Node("path", "/x", "/x"), "/x", exact=True, methods=())
    reach.protect(target, text.Node("auth", "iam", "iam"), "iam asked for a proof")
    assert target.fields["http"] == {"visibility": "cluster-local"}
    assert not reach.host(target, text.Node("other", "b.example", "b.example"), "b.example")
    assert target.fields["http"] == {"visibility": "cluster-local"}


def test_one_protected_ingress_of_nuclio_closes_all():
    ingresses = {
        "a": {"host": "a.example", "paths": ["/"]},
        "b": {"host": "b.example", "authenticationMode": "basicAuth"},
    }
    web = {"kind": "http", "attributes": {"ingresses": ingresses}}
    spec = {"runtime": "python", "handler": "m:h", "triggers": {"web": web}}
    document = {"apiVersion": "nuclio.io/v1", "kind": "NuclioFunction", "metadata": {"name": "f"}, "spec": spec}
    (one,) = migration.migrate({"function.yaml": json.dumps(document).encode()}, root="shop").functions
    assert one.manifest["spec"]["http"] == {"visibility": "cluster-local"}


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("resize", "resize"),
        ("Resize_Image", "resize-image"),
        ("resizeImage", "resize-image"),
        ("HTTPHandler", "http-handler"),
        ("2nd", "fn-2nd"),
        ("---", "fn"),
        ("ünïcode", "n-code"),
        ("x" * 52, "x" * 52),
    ],
)
def test_names(original, name):
    one = migrate_func(name=original)
    assert one.manifest["metadata"]["name"] == name
    assert find(one, "name").outcome is (CARRIED if original == name else CHANGED)


def test_long_names_stay_apart():
    names = {migrate_func(name="x" * 60 + end).manifest["metadata"]["name"] for end in "abc"}
    assert len(names) == 3
    assert {len(name) for name in names} == {52}
