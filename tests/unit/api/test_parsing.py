"""What comes in is taken apart without a connection."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.api import access, functions, intake, problem, source
from mayfly.cluster import gatekeeper


@pytest.mark.parametrize(
    ("own", "authorization", "token"),
    [
        ("", "Bearer abc", "abc"),
        ("", "bearer   abc ", "abc"),
        ("abc", "", "abc"),
        ("abc", "Bearer other", "abc"),
    ],
)
def test_a_token_is_read_from_either_header(own, authorization, token):
    assert gatekeeper.choose_token(own=own, authorization=authorization) == token


@pytest.mark.parametrize(
    ("own", "authorization"),
    [("", ""), ("", "Basic abc"), ("", "Bearer"), ("ä", ""), ("a" * 16385, "")],
)
def test_what_is_no_token_is_unauthorized(own, authorization):
    with pytest.raises(errors.Unauthorized):
        gatekeeper.choose_token(own=own, authorization=authorization)


def test_a_permission_names_the_object_of_the_path():
    made = access.Permission("create", "source").attributes({"namespace": "shop", "name": "cart"})
    assert made == {
        "group": "mayfly.dev",
        "version": "v1alpha1",
        "resource": "functions",
        "subresource": "source",
        "verb": "create",
        "namespace": "shop",
        "name": "cart",
    }


@pytest.mark.parametrize(("text", "version"), [('"42"', "42"), ('W/"42"', "42"), ("*", None)])
def test_an_etag_is_a_resource_version(text, version):
    assert functions.parse_etag(text) == version


@pytest.mark.parametrize("text", ["42", '"', '""', '"1","2"', '"a b"'])
def test_another_etag_is_refused(text):
    with pytest.raises(problem.Refused, match="If-Match"):
        functions.parse_etag(text)


def test_a_function_is_sent_on_without_what_only_the_server_sets():
    sent = {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "cart", "managedFields": [1], "uid": "u"},
        "spec": {},
        "status": {"url": "http://evil"},
    }
    assert functions.check_object(sent, namespace="shop", name=None) == {
        "apiVersion": "mayfly.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {},
    }


@pytest.mark.parametrize(("head", "form"), [(b"\x1f\x8b\x08\x00", "gzip"), (b"PK\x03\x04", "zip")], ids=["gzip", "zip"])
def test_an_archive_is_known_by_its_first_bytes(head, form):
    assert source.detect_form(head) == form


@pytest.mark.parametrize("head", [b"", b"\x1f", b"PK\x05\x06", b"\x7fELF"])
def test_anything_else_is_no_archive(head):
    with pytest.raises(problem.Refused) as caught:
        source.detect_form(head)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"null", b'"x"', b"\xff", b'{"a":1,"a":2}', b'{"a":Infinity}', b"[" * 100_000]
)
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(problem.Refused):
        intake.parse_object(body)


def test_uploads_beyond_the_places_are_sent_away_and_places_come_back():
    places = source.Places(1)
    with places.take(), pytest.raises(problem.Busy), places.take():
        raise AssertionError
    with places.take():
        pass
