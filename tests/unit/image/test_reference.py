"""Names of images are parsed as the field parses them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mayfly import errors
from mayfly.image import digest, reference

D = "sha256:" + "0123456789abcdef" * 4
D512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "found_digest"),
    [
        pytest.param("python", "docker.io", "library/python", None, None, id="official"),
        pytest.param("python:3.11", "docker.io", "library/python", "3.11", None, id="official with tag"),
        pytest.param("docker.io/python", "docker.io", "library/python", None, None, id="official with host"),
        pytest.param("index.docker.io/team/app", "docker.io", "team/app", None, None, id="hub's old name"),
        pytest.param("team/app", "docker.io", "team/app", None, None, id="hub's user"),
        pytest.param("ghcr.io/team/app:v1", "ghcr.io", "team/app", "v1", None, id="host with dot"),
        pytest.param("ghcr.io/app", "ghcr.io", "app", None, None, id="other hosts have no library"),
        pytest.param("localhost/app", "localhost", "app", None, None, id="localhost"),
        pytest.param("registry/app", "docker.io", "registry/app", None, None, id="a word is no host"),
        pytest.param("registry:5000/app", "registry:5000", "app", None, None, id="host with port"),
        pytest.param("10.77.0.2:5000/a/b/c:t", "10.77.0.2:5000", "a/b/c", "t", None, id="address"),
        pytest.param("[fd00::1]:5000/app", "[fd00::1]:5000", "app", None, None, id="IPv6 address"),
        pytest.param("Registry/app", "Registry", "app", None, None, id="upper case makes a host"),
        pytest.param(f"r.example/app@{D}", "r.example", "app", None, D, id="digest"),
        pytest.param(f"r.example/app:t@{D512}", "r.example", "app", "t", D512, id="tag and digest"),
        pytest.param("r.example/a__b-c--d.e/f", "r.example", "a__b-c--d.e/f", None, None, id="separators"),
        pytest.param("r.example/app:_.-x", "r.example", "app", "_.-x", None, id="odd tag"),
    ],
)
def test_valid_names(*, text, host, repository, tag, found_digest):
    """Host, path, tag and digest are told apart, and the name written out means the same."""
    parsed = reference.ImageRef.parse(text)
    assert (parsed.host, parsed.repository, parsed.tag, parsed.digest) == (host, repository, tag, found_digest)
    assert reference.ImageRef.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("r.example/", id="no path"),
        pytest.param("/app", id="no host"),
        pytest.param("r.example/App", id="upper case in path"),
        pytest.param("App", id="upper case alone"),
        pytest.param("r.example/a//b", id="empty part"),
        pytest.param("r.example/a/../b", id="dots"),
        pytest.param("r.example/a_._b", id="mixed separators"),
        pytest.param("r.example/-a", id="leading separator"),
        pytest.param("r.example/app:", id="empty tag"),
        pytest.param("r.example/app:-x", id="tag begins with dash"),
        pytest.param("r.example/app:" + "x" * 129, id="long tag"),
        pytest.param("r.example/app@", id="empty digest"),
        pytest.param("r.example/app@sha256:abc", id="short digest"),
        pytest.param("r.example/app@" + D.upper(), id="upper case digest"),
        pytest.param("r.example/app@md5:" + "0" * 32, id="unregistered algorithm"),
        pytest.param(f"r.example/app@{D}@{D}", id="two digests"),
        pytest.param("-r.example/app", id="host begins with dash"),
        pytest.param("r_x.example/app", id="underscore in host"),
        pytest.param("user@r.example/app", id="user in host"),
        pytest.param("http://r.example/app", id="URL"),
        pytest.param("r.example:port/app", id="port is no number"),
        pytest.param("r.example/app ", id="blank"),
        pytest.param("r.example/app\n", id="newline"),
        pytest.param("r.example/app:v١", id="digit outside ASCII"),
        pytest.param("r.example/" + "a/" * 125 + "a", id="long name"),
    ],
)
def test_invalid_names(text):
    """What breaks the grammar is refused in words that show it."""
    with pytest.raises(errors.InvalidName, match="is not valid: ") as caught:
        reference.ImageRef.parse(text)
    assert ";" in str(caught.value)


def test_message_names_value_rule_and_fix():
    """The author of a wrong name can mend it from the message."""
    with pytest.raises(errors.InvalidName) as caught:
        reference.ImageRef.parse("r.example/Team/app:v1")
    assert str(caught.value) == (
        "image reference 'r.example/Team/app:v1' is not valid: path 'Team/app' may have only lower-case letters and"
        " digits, joined by single . _ - or / signs; write it like team/catalogue"
    )


@given(some.text(string.ascii_letters + string.digits + "./:@_-[]", max_size=60))
def test_any_text_is_parsed_or_refused(text):
    """No text makes the parser fail otherwise, and what it takes it can read again."""
    try:
        parsed = reference.ImageRef.parse(text)
    except errors.InvalidName:
        return
    assert reference.ImageRef.parse(str(parsed)) == parsed


def test_reference_prefers_the_digest():
    """The last part of the URL is digest, tag, or ``latest``."""
    plain = reference.ImageRef.parse("r.example/app")
    assert plain.reference == "latest"
    assert plain.with_tag("v1").reference == "v1"
    assert reference.ImageRef.parse(f"r.example/app:v1@{D}").reference == D


def test_with_digest_and_with_tag_replace():
    """The two forms never mix, and the original stays as it was."""
    tagged = reference.ImageRef.parse("r.example/app:v1")
    assert str(tagged.with_digest(D)) == f"r.example/app@{D}"
    assert str(tagged.with_digest(D).with_tag("v2")) == "r.example/app:v2"
    assert str(tagged) == "r.example/app:v1"
    for wrong in (lambda: tagged.with_tag("no spaces"), lambda: tagged.with_digest("sha256:1")):
        with pytest.raises(errors.InvalidName):
            wrong()


def test_digest_of_bytes():
    """The digest of nothing is the well-known one."""
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest.compute_digest(b"") == empty == digest.parse_digest(empty)
