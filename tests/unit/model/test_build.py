"""The contract between controller and builder."""

from __future__ import annotations

import pydantic
import pytest

from mayfly.model import build

REQUEST = {"namespace": "shop", "name": "hello", "source": {"inline": {"files": {"a.py": ""}}}}


@pytest.mark.parametrize("source", [{}, {"inline": {"files": {}}, "oci": {"ref": "x"}}], ids=["none", "both"])
def test_a_request_has_one_source(source):
    """Neither none nor two."""
    with pytest.raises(pydantic.ValidationError, match="exactly one of inline, oci"):
        build.BuildRequest.model_validate(REQUEST | {"source": source})


def test_an_unknown_field_of_a_request_is_refused():
    """A builder that does not know a wish must not ignore it."""
    with pytest.raises(pydantic.ValidationError):
        build.BuildRequest.model_validate(REQUEST | {"gpu": True})


def test_an_unknown_field_of_an_answer_is_ignored():
    """The builder may be newer than the controller while both are updated."""
    answer = {"state": "succeeded", "fingerprint": "f", "carbon": 1, "steps": [{"name": "x", "seconds": 1, "cpu": 2}]}
    assert build.BuildStatus.model_validate(answer).final


def test_a_request_survives_the_wire():
    """Its digest too, which decides whether a build is due."""
    request = build.BuildRequest.model_validate(REQUEST)
    assert build.BuildRequest.model_validate_json(request.model_dump_json()).digest() == request.digest()
