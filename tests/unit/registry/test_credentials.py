"""Logins are read from Docker's config as Docker and Kubernetes write it."""

from __future__ import annotations

import base64
import json
import pathlib

import pytest

from mayfly import errors
from mayfly.registry import credentials

AUTH = base64.b64encode(b"user:pass:word").decode()


def parse(**config):
    return credentials.parse_credentials(json.dumps(config))


@pytest.mark.parametrize(
    ("key", "host"),
    [
        pytest.param("r.example", "r.example", id="host"),
        pytest.param("r.example:5000", "r.example:5000", id="port"),
        pytest.param("https://r.example", "r.example", id="URL"),
        pytest.param("https://r.example/v2/", "r.example", id="API URL"),
        pytest.param("https://index.docker.io/v1/", "docker.io", id="Docker Hub"),
        pytest.param("docker.io", "registry-1.docker.io", id="Docker Hub's API"),
    ],
)
def test_login_is_found_under_any_spelling(key, host):
    """The password may hold colons."""
    for entry in ({"auth": AUTH}, {"username": "user", "password": "pass:word"}):
        assert parse(auths={key: entry}).find(host) == credentials.Login("user", "pass:word")


@pytest.mark.parametrize("key", ["r.example.org", "r.example:5001", "r.example/team", "example"])
def test_login_of_another_host_is_not_used(key):
    """A password goes to the very host it is filed under."""
    assert parse(auths={key: {"auth": AUTH}}).find("r.example") is None


def test_helpers_are_refused_with_a_way_out():
    """A helper is an error only for the hosts it keeps, and names the remedy."""
    known = parse(auths={"a.example": {"auth": AUTH}, "c.example": {}}, credHelpers={"b.example": "ecr-login"})
    assert known.find("a.example")
    assert known.find("c.example") is None
    with pytest.raises(errors.InvalidCredentials, match=r"b\.example.*'ecr-login'.*auths"):
        known.find("b.example")
    with pytest.raises(errors.InvalidCredentials, match="'desktop'"):
        parse(credsStore="desktop").find("any.example")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="list"),
        pytest.param('{"auths": ["x"]}', id="auths is a list"),
        pytest.param('{"auths": {"h": "x"}}', id="entry is text"),
        pytest.param('{"auths": {"h": {"auth": "!!"}}}', id="not base64"),
        pytest.param('{"auths": {"h": {"auth": "c2VjcmV0"}}}', id="no colon"),
        pytest.param('{"auths": {"h": {"auth": 5}}}', id="number"),
        pytest.param('{"auths": {"h": {"auth": "/w=="}}}', id="not text"),
        pytest.param('{"auths": {"h": {"identitytoken": "secret"}}}', id="identity token"),
    ],
)
def test_wrong_configs_are_permanent_errors(text):
    """A config that cannot be used says so, without its secrets."""
    with pytest.raises(errors.InvalidCredentials) as caught:
        credentials.parse_credentials(text)
    assert isinstance(caught.value, errors.RegistryError)
    assert (caught.value.temporary, caught.value.reason) == (False, "InvalidCredentials")
    assert "secret" not in str(caught.value)


def test_file_is_optional_but_must_be_readable(tmp_path):
    """No path means no logins; a path that is not there is an error."""
    assert credentials.load_credentials(None).find("r.example") is None
    with pytest.raises(errors.InvalidCredentials, match="missing"):
        credentials.load_credentials(pathlib.Path(tmp_path / "missing"))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r.example": {"auth": AUTH}}}))
    assert credentials.load_credentials(tmp_path / "config.json").find("r.example").username == "user"


def test_password_is_not_shown():
    """A login in a log line keeps its secret."""
    assert "pass" not in repr(credentials.Login("user", "pass:word"))
    assert credentials.Login("user", "pass:word").header == f"Basic {AUTH}"
