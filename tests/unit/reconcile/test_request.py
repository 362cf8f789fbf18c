"""What is asked of the builder."""

from __future__ import annotations

import base64
import re

import pytest

from mayfly import errors
from mayfly.model import function
from mayfly.reconcile import request
from mayfly.resources import owner

OWNER = owner.Owner("shop", "catalog", "uid-1")


def make(source, *, config_map=None, rebuild=None, **fields):
    spec = function.FunctionSpec.model_validate({"source": source, **fields})
    return request.make_request(OWNER, spec, config_map=config_map, rebuild=rebuild)


def test_the_order_of_files_means_nothing():
    """Equal sources have equal digests, whatever order they were written in."""
    one = make({"inline": {"a.py": "1", "b.py": "2"}})
    other = make({"inline": {"b.py": "2", "a.py": "1"}})
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"source": {"inline": {"a.py": "2"}}},
        {"source": {"inline": {"a.py": "1"}}, "handler": "a:main"},
        {"source": {"inline": {"a.py": "1"}}, "signature": "asgi"},
        {"source": {"inline": {"a.py": "1"}}, "runtime": "python3.11"},
        {"source": {"inline": {"a.py": "1"}}, "rebuild": "now"},
    ],
    ids=["text", "handler", "signature", "runtime", "rebuild"],
)
def test_what_determines_the_image_changes_the_digest(change):
    """Each of these asks for a build."""
    assert make({"inline": {"a.py": "1"}}).digest() != make(**change).digest()


def test_what_does_not_determine_the_image_leaves_the_digest():
    """Scaling, memory and environment build nothing."""
    source = {"inline": {"a.py": "1"}}
    other = make(source, scaling={"min": 3}, resources={"memory": "1Gi"}, env=[{"name": "A", "value": "1"}])
    assert make(source).digest() == other.digest()


def test_a_config_map_is_read_as_files():
    """Each key is a file; the same text inline is the same request."""
    found = make({"configMap": {"name": "code"}}, config_map={"data": {"a.py": "1"}})
    assert found.digest() == make({"inline": {"a.py": "1"}}).digest()


@pytest.mark.parametrize(
    ("config_map", "said"),
    [
        (None, "ConfigMap shop/code does not exist"),
        ({}, "has no data"),
        ({"data": {"a.py": ""}, "binaryData": {"x.so": "AA=="}}, "'x.so' of ConfigMap shop/code is binary"),
    ],
    ids=["absent", "empty", "binary"],
)
def test_a_config_map_that_is_no_source_is_refused(config_map, said):
    """The message names the ConfigMap and what is wrong with it."""
    with pytest.raises(errors.InvalidSource, match=said):
        make({"configMap": {"name": "code"}}, config_map=config_map)


def test_an_image_asks_for_nothing():
    """A ready image is not built."""
    assert make({"image": "example/image"}) is None


GIT = {"url": "https://host/shop.git", "path": "hello", "secret": "git", "interval": "5m"}
ARCHIVE = {"url": "https://host/shop.tgz", "sha256": "a" * 64}


@pytest.mark.parametrize(
    ("source", "secret"), [({"git": GIT}, "git"), ({"archive": ARCHIVE}, None), ({"inline": {"a": ""}}, None)]
)
def test_the_secret_is_named_not_read(source, secret):
    """Its login is added where the builder is asked, never here."""
    wanted = make(source)
    assert (request.find_secret(wanted), wanted.credentials) == (secret, None)


def test_how_often_to_look_determines_no_image():
    """A new interval asks for nothing; a new Secret does, since the old one may have been refused."""
    assert make({"git": GIT}).digest() == make({"git": GIT | {"interval": "1h"}}).digest()
    assert make({"git": GIT}).digest() != make({"git": GIT | {"secret": "other"}}).digest()


def encode(**values):
    return {"data": {key.replace("_", "-"): base64.b64encode(value).decode() for key, value in values.items()}}


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        (encode(username=b"bob", password=b"pw\n"), {"username": "bob", "password": "pw"}),
        (encode(password=b"token"), {"password": "token"}),
        (encode(header=b"PRIVATE-TOKEN: x", password=b"y"), {"header": "PRIVATE-TOKEN: x"}),
    ],
    ids=["basic", "token", "header"],
)
def test_a_login_is_read(secret, found):
    """As Secrets of type kubernetes.io/basic-auth have it, or as a header, which wins."""
    assert request.read_credentials("shop/git", secret).reveal() == found


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ({}, "Secret shop/git has neither password (with username) nor header, but no key"),
        (encode(ssh_privatekey=b"canary"), "but ssh-privatekey; sources are fetched over https"),
        (encode(password=b"canary\xff"), "key password of Secret shop/git is not UTF-8 text"),
    ],
    ids=["empty", "ssh", "binary"],
)
def test_a_secret_without_login_is_told_by_its_keys(secret, said):
    """It may be filled any moment, so it is tried again; no value is in the message."""
    with pytest.raises(errors.SourceUnavailable, match=re.escape(said)) as caught:
        request.read_credentials("shop/git", secret)
    assert "canary" not in str(caught.value)
