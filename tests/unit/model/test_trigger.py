"""spec.triggers and spec.delivery: their forms, and the schema that the API server will get."""

from __future__ import annotations

import itertools

import pydantic
import pytest

from mayfly.model import part, schema, trigger


class Spec(part.Part):
    """The two fields as the spec of a Function will have them."""

    triggers: trigger.Triggers = ()
    delivery: trigger.Delivery = pydantic.Field(trigger.Delivery(), description="How events reach the Function.")


EVENT = {"event": {"type": "a"}}


def walk(node, path="spec"):
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from walk(node[key], f"{path}[]")


SCHEMA = dict(walk(schema.make_structural(Spec)))


def test_defaults_are_those_of_the_description():
    delivery = trigger.Delivery()
    assert (delivery.retries, delivery.max_age_seconds, delivery.concurrency) == (5, 21600.0, None)
    assert (delivery.backoff.initial_seconds, delivery.backoff.max_seconds) == (1.0, 300.0)
    assert (delivery.backoff.policy, delivery.backoff.jitter) == ("exponential", "full")
    assert delivery.dead_letter.retention == "336h"


def test_a_trigger_has_a_key_for_good():
    """Its name; else a number that changes with its content and with nothing else."""
    named = trigger.Trigger.model_validate({"name": "nightly", "schedule": {"cron": "0 0 * * *"}})
    assert named.key == "nightly"
    one, same, other = (
        trigger.Trigger.model_validate({"event": {"attributes": attributes}})
        for attributes in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1"})
    )
    assert one.key == same.key != other.key
    assert len(one.key) == 16


def test_conditions_become_filters():
    spec = trigger.EventTrigger.model_validate(
        {
            "type": "t",
            "attributes": {"a": "1"},
            "filters": [{"not": {"any": [{"prefix": {"b": "2"}}]}}, {"sql": "TRUE"}],
        }
    )
    assert spec.to_filters() == [
        {"exact": {"a": "1", "type": "t"}},
        {"not": {"any": [{"prefix": {"b": "2"}}]}},
        {"sql": "TRUE"},
    ]
    assert trigger.EventTrigger(source="/s").to_filters() == [{"exact": {"source": "/s"}}]


@pytest.mark.parametrize(
    "content",
    [
        {"triggers": [{"name": "A", **EVENT}]},
        {"triggers": [{"event": {"type": ""}}]},
        {"triggers": [{"event": {"filters": [{"sql": "x" * 4097}]}}]},
        {"triggers": [{"schedule": {}}]},
        {"triggers": [{"schedule": {"cron": "x", "missed": "all"}}]},
        {"triggers": [{"schedule": {"cron": "x", "timezone": "../x"}}]},
        {"triggers": [EVENT] * 33},
        {"delivery": {"retries": -1}},
        {"delivery": {"retries": 101}},
        {"delivery": {"concurrency": 0}},
        {"delivery": {"maxAge": "soon"}},
        {"delivery": {"backoff": {"policy": "random"}}},
        {"delivery": {"onSuccess": {"url": "ftp://x"}}},
        {"delivery": {"onSuccess": {"url": "https://user@x"}}},
    ],
    ids=str,
)
def test_wrong_forms_are_refused(content):
    with pytest.raises(pydantic.ValidationError):
        Spec.model_validate(content)


@pytest.mark.parametrize("path", SCHEMA)
def test_the_schema_is_structural(path):
    """Everything has a type and words for `kubectl explain`; nothing that a structural schema cannot have is left."""
    node = SCHEMA[path]
    assert "type" in node
    assert not node.keys() & {"$ref", "anyOf", "allOf", "oneOf", "const", "default", "$defs"}
    if not path.endswith("]"):
        assert path == "spec" or node.get("description", "").endswith((".", ")"))
    if node["type"] == "string" and "enum" not in node:
        assert "maxLength" in node, "the API server cannot price rules over text without end"
    if node["type"] == "array":
        assert "maxItems" in node


def test_rules_name_fields_that_exist():
    """CEL reserves the word function, which is then written __function__."""
    rules = [(path, rule["rule"]) for path, node in SCHEMA.items() for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) >= 10
    for path, rule in rules:
        fields = SCHEMA[path].get("properties", {})
        words = [word.split(")")[0] for word in rule.split("has(self.")[1:]]
        assert all(word.strip("_") in fields for word in words), path
        assert not any(word == "function" for word in itertools.chain(words))
