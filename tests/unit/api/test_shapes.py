"""What the description says about invocations is what the eventing process writes."""

from __future__ import annotations

import pydantic
import pytest

from mayfly.api import app, shapes
from mayfly.eventing.management import documents, questions
from mayfly.store import records
from tests.unit.eventing.test_documents import make_invocation

NOW = 1_790_000_000.0
PATHS = app.make_openapi()["paths"]
ATTEMPT = records.Attempt(1, records.Tried.RETRIED, NOW, None, 503, "", "w", None)
RESULT = records.Result(200, (("a", "b"),), b"\xff", truncated=True)
DOCUMENTS = {
    "waiting": (shapes.Invocation, documents.make_invocation(make_invocation())),
    "dead": (shapes.Invocation, documents.make_invocation(make_invocation(state=records.State.DEAD, reason="Gone"))),
    "dead letter": (
        shapes.DeadInvocation,
        documents.make_dead_letter(make_invocation(state=records.State.DEAD), kept_until=NOW),
    ),
    "attempt": (shapes.Attempt, documents.make_attempt(ATTEMPT)),
    "result": (shapes.Result, documents.make_result(make_invocation(state=records.State.DELIVERED), RESULT)),
    "message": (shapes.Message, documents.make_message(records.Message((("a", "b"),), b"x"))),
    "queue": (shapes.Queue, documents.make_queue("mail", records.Count(), earliest_due=NOW, now=NOW)),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_the_shape_that_is_described(name):
    """Not a field more, none less, and each of its type."""
    shape, document = DOCUMENTS[name]
    read = shape.model_validate(document, strict=True)
    assert read.model_dump(by_alias=True, exclude_unset=True) == document
    required = {field.alias for field in shape.model_fields.values() if field.is_required()}
    optional = {"nextAttempt"} if issubclass(shape, shapes.Invocation) else set()
    assert required <= document.keys() <= required | optional | {"keptUntil"}


@pytest.mark.parametrize(
    "shape", [each for each in vars(shapes).values() if isinstance(each, type) and issubclass(each, pydantic.BaseModel)]
)
def test_every_example_is_one(shape):
    for example in (shape.model_config.get("json_schema_extra") or {}).get("examples", []):
        shape.model_validate(example, strict=True)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (shapes.Invocation.model_fields["state"].annotation, records.State),
        (shapes.Attempt.model_fields["outcome"].annotation, records.Tried),
    ],
)
def test_every_word_of_the_store_is_described(words, values):
    assert set(words.__args__) == {value.value for value in values}


PARAMETERS = {
    "GET /invocations": (questions.LISTING, questions.MAX_PAGE, questions.PAGE),
    "GET /dead-letters": (questions.DEAD_LETTERS, questions.MAX_PAGE, questions.PAGE),
    "DELETE /dead-letters": (questions.DEAD_LETTERS, questions.MAX_STEP, questions.MAX_STEP),
    "POST /dead-letters/redrive": (questions.DEAD_LETTERS, questions.MAX_STEP, questions.MAX_STEP),
}


@pytest.mark.parametrize("route", PARAMETERS)
def test_every_parameter_is_known_to_the_other_side_within_the_same_bounds(route):
    names, most, usual = PARAMETERS[route]
    method, path = route.split()
    operation = PATHS[f"/v1/namespaces/{{namespace}}{path}"][method.lower()]
    described = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
    assert set(described) == set(names)
    assert (described["limit"]["maximum"], described["limit"]["default"]) == (most, usual)
