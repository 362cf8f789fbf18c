"""What is printed of Functions."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import yaml

from mayfly.cli import options, view

NOW = dt.datetime(2026, 11, 21, 6, 0, 0, tzinfo=dt.UTC)
READY = {
    "apiVersion": "mayfly.dev/v1alpha1",
    "kind": "Function",
    "metadata": {
        "name": "cart",
        "namespace": "shop",
        "creationTimestamp": "2026-11-21T05:00:00Z",
        "managedFields": [{"manager": "x"}],
    },
    "spec": {"source": {"oci": {"ref": "reg/x@sha256:1"}}, "scaling": {"max": 3}},
    "status": {
        "url": "http://cart.shop.example",
        "revision": "cart-00002",
        "runtime": "python3.11",
        "signature": "http",
        "signatureReason": "one argument named request",
        "image": "reg/shop/cart@sha256:" + "a" * 64,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-11-21T05:30:00Z"}
        ],
        "build": {
            "state": "succeeded",
            "cached": True,
            "steps": [{"name": "push", "seconds": 0.25, "detail": "1 layer"}],
        },
    },
}
NEW = {"metadata": {"name": "new", "namespace": "shop", "creationTimestamp": "2026-11-21T05:59:55Z"}, "spec": {}}


def render(form, *objects, namespaces=False):
    return view.render(objects, form, namespaces=namespaces, now=NOW)


def test_the_table_has_the_columns_of_kubectl():
    assert render(options.Format.TABLE, READY, NEW).splitlines() == [
        "NAME   READY     REASON   URL                        REVISION     AGE",
        "cart   True      -        http://cart.shop.example   cart-00002   60m",
        "new    Unknown   -        -                          -            5s",
    ]


def test_wide_adds_runtime_signature_image():
    [head, row] = render(options.Format.WIDE, READY).splitlines()
    assert head.split()[-3:] == ["RUNTIME", "SIGNATURE", "IMAGE"]
    assert row.endswith("python3.11   http        reg/shop/cart@sha256:aaaaaaaaaaaa")


def test_all_namespaces_puts_the_namespace_first():
    assert render(options.Format.TABLE, READY, namespaces=True).splitlines()[1].startswith("shop ")


def test_names_are_those_that_kubectl_takes():
    assert render(options.Format.NAME, READY, NEW) == "function.mayfly.dev/cart\nfunction.mayfly.dev/new"


@pytest.mark.parametrize(("form", "load"), [(options.Format.JSON, json.loads), (options.Format.YAML, yaml.safe_load)])
def test_json_and_yaml_are_a_list_without_managed_fields(form, load):
    document = load(render(form, READY))
    assert document["kind"] == "List"
    assert document["items"][0]["status"] == READY["status"]
    assert "managedFields" not in document["items"][0]["metadata"]
    assert "managedFields" in READY["metadata"]


@pytest.mark.parametrize(
    ("since", "age"),
    [
        ("2026-11-21T05:59:58Z", "2s"),
        ("2026-11-21T05:58:01Z", "119s"),
        ("2026-11-21T05:57:00Z", "3m"),
        ("2026-11-21T03:00:00Z", "3h"),
        ("2026-11-11T06:00:00Z", "10d"),
        ("2026-11-21T07:00:00Z", "0s"),
        (None, "-"),
    ],
)
def test_an_age_reads_as_in_kubectl(since, age):
    assert view.format_age(since, now=NOW) == age


def test_the_card_tells_all():
    card = view.render_card(READY, now=NOW)
    for words in (
        "URL:       http://cart.shop.example",
        "Signature: http (one argument named request)",
        "Source:    upload reg/x@sha256:1",
        "Build: succeeded, image existed",
        "push   0.25 s   1 layer",
        "Ready   True   Ready   30m",
    ):
        assert words in card


def test_the_card_of_a_function_nobody_looked_at_says_so():
    assert "is the controller running?" in view.render_card(NEW, now=NOW)
