"""Judge a Function's triggers before they are stored: an AdmissionReview in, an AdmissionReview out. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pydantic

from mayfly.events import triggers
from mayfly.model import labels, names, trigger

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
_OPERATIONS = frozenset({"CREATE", "UPDATE"})
_UNPROCESSABLE = 422
"""What the API server answers itself to a manifest that breaks a rule of the CRD."""
_TRIGGERS: pydantic.TypeAdapter[tuple[trigger.Trigger, ...]] = pydantic.TypeAdapter(trigger.Triggers)

Object = Mapping[str, Any]


def read_request(body: bytes) -> Object | None:
    """Return the request of the review that ``body`` holds, ``None`` when it holds none."""
    try:
        review = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(review, dict) or (review.get("apiVersion"), review.get("kind")) != (API_VERSION, KIND):
        return None
    request = review.get("request")
    return request if isinstance(request, dict) and isinstance(request.get("uid"), str) else None


def find_problems(request: Object, *, controller: str) -> tuple[triggers.Problem, ...]:
    """Return what speaks against storing the object of ``request``; nothing for what is not ours to judge.

    ``controller`` is the name of the controller that asks: the Functions of another one, such as a later version on
    trial, follow the other one's rules. Triggers that are stored already are let pass: whoever changes something else,
    or takes the Function away, must not be stopped by them.
    """
    if request.get("operation") not in _OPERATIONS or not _is_function(request):
        return ()
    metadata = _get(request, "object", "metadata")
    if _get(metadata, "annotations").get(labels.CONTROLLER, "") != controller or "deletionTimestamp" in metadata:
        return ()
    several, before = (_get(request, version, "spec").get("triggers") for version in ("object", "oldObject"))
    return () if not several or several == before else _check(several)


def make_review(request: Object, problems: tuple[triggers.Problem, ...]) -> dict[str, Any]:
    """Return the answer: let it pass, or refuse it with the Status that a rule of the CRD would have given."""
    response: dict[str, Any] = {"uid": request["uid"], "allowed": not problems}
    if problems:
        response["status"] = _make_status(str(request.get("name") or ""), problems)
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _make_status(name: str, problems: tuple[triggers.Problem, ...]) -> dict[str, Any]:
    """Return the Status; kubectl shows its causes, the REST API and `mayfly deploy` its message."""
    causes = [{"reason": "FieldValueInvalid", "field": one.place, "message": one.detail} for one in problems]
    return {
        "status": "Failure",
        "code": _UNPROCESSABLE,
        "reason": "Invalid",
        "message": "; ".join(map(str, problems)),
        "details": {"group": names.GROUP, "kind": names.KIND, "name": name, "causes": causes},
    }


def _check(several: Any) -> tuple[triggers.Problem, ...]:
    try:
        return triggers.read_triggers(_TRIGGERS.validate_python(several)).problems
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        return (triggers.Problem(f"spec.triggers{place}", "InvalidSpec", first["msg"]),)


def _is_function(request: Object) -> bool:
    kind = _get(request, "kind")
    return (kind.get("group"), kind.get("kind")) == (names.GROUP, names.KIND) and not request.get("subResource")


def _get(obj: Object, *path: str) -> Object:
    """Return the object at ``path``, an empty one where there is none: whoever reaches the port may send anything."""
    for name in path:
        found = obj.get(name)
        obj = found if isinstance(found, dict) else {}
    return obj
