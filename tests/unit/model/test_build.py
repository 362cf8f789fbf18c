"""The contract between controller and builder."""

from __future__ import annotations

import pydantic
import pytest

from mayfly.model import build

REQUEST = {"namespace": "shop", "name": "hello", "source": {"inline": {"files": {"a.py": ""}}}}


@pytest.mark.parametrize("source", [{}, {"inline": {"files": {}}, "oci": {"ref": "x"}}], ids=["none", "both"])
def test_a_request_has_one_source(source):
    """Neither none nor two."""
    with pytest.raises(pydantic.ValidationError, match="exactly one of inline, oci, git, archive"):
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


GIT = {"git": {"url": "https://host/shop.git", "revision": "main", "path": "a", "secret": "git"}}
CANARY = "canary-5f3a9c"


def _git(**more):
    return build.BuildRequest.model_validate(REQUEST | {"source": GIT} | more)


def test_kinds_that_came_later_are_not_told_to_an_older_builder():
    """It refuses what it does not know; and the digest of a stored status stays what it was."""
    wire = build.BuildRequest.model_validate(REQUEST).to_wire()
    assert wire["source"] == {"inline": {"files": {"a.py": ""}}, "oci": None}
    assert {"look", "credentials"}.isdisjoint(wire)
    assert build.BuildRequest.model_validate(REQUEST).digest().startswith("1ce715fe9f08")


def test_a_look_and_a_login_change_no_image():
    """Neither is part of the digest, which is kept in the status."""
    request = _git(look="1", credentials={"username": "bob", "password": CANARY})
    assert request.digest() == _git().digest()
    assert request.digest() != _git(source={"git": GIT["git"] | {"revision": "next"}}).digest()


def test_a_login_is_said_to_the_builder_alone():
    """No other form of a request has it."""
    request = _git(credentials={"username": "bob", "password": CANARY})
    for text in (
        repr(request),
        str(request),
        request.model_dump_json(),
        repr(request.credentials),
        str(request.pin("0" * 40)),
    ):
        assert CANARY not in text
    wire = request.to_wire()
    assert wire["credentials"] == {"username": "bob", "password": CANARY}
    assert build.BuildRequest.model_validate(wire).credentials == request.credentials


@pytest.mark.parametrize(
    ("revision", "moving"),
    [("main", True), ("HEAD", True), ("0123abcd", True), ("a" * 40, False), ("A" * 40, True), ("a" * 41, True)],
)
def test_only_a_commit_in_full_stands_still(revision, moving):
    """Anything else may be a branch of that name."""
    source = build.BuildSource(git=build.GitSource(url="https://host/x", revision=revision))
    assert (source.moving, source.revision) == (moving, None if moving else revision)


def test_a_pinned_request_is_about_its_commit():
    """With the login that fetches it, and without the mark of the look."""
    pinned = _git(look="1", credentials={"password": CANARY}).pin("b" * 40)
    assert (pinned.source.revision, pinned.look) == ("b" * 40, None)
    assert pinned.credentials is not None
