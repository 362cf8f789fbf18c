"""What is answered to the API server's question whether a Function may be stored."""

from __future__ import annotations

import json

import pytest

from mayfly.controller import admission
from mayfly.model import labels
from tests import bad_triggers

GOOD = [{"event": {"type": "order.created"}}]
BAD = [*GOOD, bad_triggers.sql("a =")]
WORSE = [bad_triggers.cron("0 24 * * *"), *BAD]
WORDS = "event.filters[0].sql: sql, character 3: the end stands where an attribute, a value, a function or '(' belongs"


def make(triggers, before=None, *, annotations=None, **changed):
    """Return the request about a Function with these triggers, an update when there were some before."""
    obj = {"metadata": {"name": "mail", "annotations": annotations or {}}, "spec": {"triggers": triggers}}
    old = None if before is None else {"metadata": {"name": "mail"}, "spec": {"triggers": before}}
    request = {
        "uid": "17",
        "kind": {"group": "mayfly.dev", "version": "v1alpha1", "kind": "Function"},
        "name": "mail",
        "operation": "CREATE" if before is None else "UPDATE",
        "object": obj,
        "oldObject": old,
    }
    return request | changed


def judge(request, controller=""):
    return admission.make_review(request, admission.find_problems(request, controller=controller))["response"]


def test_a_refusal_says_what_the_crd_would_have_said():
    """The Status of a rule: what kubectl shows are its causes, what everybody else shows is its message."""
    answer = judge(make(WORSE))
    assert (answer["uid"], answer["allowed"]) == ("17", False)
    cron = "schedule.cron '0 24 * * *': Bad hour; fields are minute 0-59, hour 0-23, day of month 1-31, month 1-12, day"
    assert answer["status"]["message"] == (f"spec.triggers[0]: {cron} of week 0-7; spec.triggers[2]: {WORDS}")
    assert (answer["status"]["code"], answer["status"]["reason"]) == (422, "Invalid")
    assert answer["status"]["details"]["name"] == "mail"
    assert [cause["field"] for cause in answer["status"]["details"]["causes"]] == [
        "spec.triggers[0]",
        "spec.triggers[2]",
    ]
    assert answer["status"]["details"]["causes"][1]["message"] == WORDS


PASSES = {
    "good ones": make(GOOD),
    "none": make(None),
    "no list of none": make([]),
    "bad ones that were there before": make(BAD, BAD),
    "bad ones taken away": make(GOOD, BAD),
    "a deletion": make(BAD, operation="DELETE"),
    "another kind": make(BAD, kind={"group": "mayfly.dev", "version": "v1alpha1", "kind": "Recipe"}),
    "the kind of another group": make(BAD, kind={"group": "x.example", "version": "v1", "kind": "Function"}),
    "a subresource": make(BAD, subResource="status"),
    "a Function on its way out": make(BAD, object={"metadata": {"deletionTimestamp": "x"}, "spec": {"triggers": BAD}}),
    "another controller's": make(BAD, annotations={labels.CONTROLLER: "trial"}),
    "nothing at all": {"uid": "17"},
    "nonsense": make(BAD, object=[], oldObject="x", kind=7),
    "nonsense within": make(BAD, object={"metadata": 5, "spec": []}),
}


@pytest.mark.parametrize("request_", PASSES.values(), ids=PASSES)
def test_what_passes(request_):
    """What is not ours to judge, and what was stored already: a note on a Function is not stopped by its triggers."""
    assert judge(request_) == {"uid": "17", "allowed": True}


REFUSED = {
    "created": make(BAD),
    "made bad": make(BAD, GOOD),
    "bad and made worse": make(WORSE, BAD),
    "bad since there are any": make(BAD, []),
    "no list": make({"a": 1}),
    "a list of nonsense": make([5]),
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(request_):
    answer = judge(request_)
    assert answer["allowed"] is False
    assert answer["status"]["message"].startswith("spec.triggers")


def test_a_controller_judges_its_own_functions():
    """Those with its name in the annotation; an unnamed one those without."""
    assert judge(make(BAD, annotations={labels.CONTROLLER: "trial"}), "trial")["allowed"] is False
    assert judge(make(BAD), "trial")["allowed"] is True


def test_nothing_is_ever_changed():
    """Neither a patch nor a warning: the answer has no other fields."""
    assert set(judge(make(GOOD))) == {"uid", "allowed"}
    assert set(judge(make(BAD))) == {"uid", "allowed", "status"}


REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "17"}}

UNREADABLE = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no object": b"[]",
    "not UTF-8": b"\xff\xfe{}",
    "another version": json.dumps(REVIEW | {"apiVersion": "admission.k8s.io/v1beta1"}).encode(),
    "another kind": json.dumps(REVIEW | {"kind": "Review"}).encode(),
    "an answer": json.dumps({**REVIEW, "request": None}).encode(),
    "without uid": json.dumps({**REVIEW, "request": {}}).encode(),
    "nested without end": b'{"a":' * 100_000,
    "deep": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_review(body):
    assert admission.read_request(body) is None


def test_what_is_one():
    assert admission.read_request(json.dumps(REVIEW).encode()) == {"uid": "17"}
