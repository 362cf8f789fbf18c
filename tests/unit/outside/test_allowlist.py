"""Which URLs the operator's list allows, by their text."""

from __future__ import annotations

import pytest

from mayfly.outside import allowlist

HOSTS = allowlist.Hosts(["hooks.example.com", ".shop.example", "B\u00fccher.example", "192.0.2.7", "2001:db8::1"])


def is_listed(url):
    try:
        HOSTS.check(allowlist.read_url(url))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/orders?a=b#c",
        "https://hooks.example.com:8443/orders",
        "HTTPS://Hooks.Example.COM/orders",
        "https://hooks.example.com./orders",
        "https://a.shop.example/",
        "https://a.b.shop.example/",
        "https://xn--bcher-kva.example/",
        "https://b\u00fccher.example/",
        "https://192.0.2.7/",
        "https://[2001:db8:0::1]/",
        "https://hooks.example.com?@evil.example",
        "http://hooks.example.com/",
    ],
)
def test_what_is_on_the_list(url):
    """A host is itself however it is spelled; one below a suffix counts, at any depth; ports are free."""
    assert is_listed(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://evilhooks.example.com/",
        "https://a.hooks.example.com/",
        "https://hooks.example.com.evil.example/",
        "https://shop.example/",
        "https://.shop.example/",
        "https://a..shop.example/",
        "https://evil.example%2eshop.example/",
        "https://evilshop.example/",
        "https://evil.example#.shop.example",
        "https://evil.example?.shop.example",
        "https://evil.example/.shop.example",
        "https://evil.example\u3002com/",
        "https://192.0.2.8/",
        "https://3221225991/",
    ],
)
def test_what_is_not_on_the_list(url):
    """Neither a neighbour, nor what only begins or ends alike, nor a name hidden behind another."""
    with pytest.raises(ValueError, match=r"events\.destinations"):
        HOSTS.check(allowlist.read_url(url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "write https://"),
        ("hooks.example.com", "write https://"),
        ("//hooks.example.com/", "write https://"),
        ("https:hooks.example.com", "write https://"),
        ("https:///orders", "write https://"),
        ("https://hooks.example.com:0/", "write https://"),
        ("ftp://hooks.example.com/", "write https://"),
        ("file:///etc/passwd", "write https://"),
        ("gopher://hooks.example.com/", "write https://"),
        ("https://hooks.example.com:99999/", "range"),
        ("https://bob@hooks.example.com/", "no user"),
        ("https://bob:secret@hooks.example.com/", "no user"),
        ("https://hooks.example.com@evil.example/", "no user"),
        ("https://:@hooks.example.com/", "no user"),
        ("https://hooks.example.com\\@evil.example/", "backslashes"),
        ("https://hooks.example.com/a b", "spaces"),
        ("https://hooks.example.com/\r\nHost: evil.example", "control"),
        ("https://hooks.example.com/\x00", "control"),
        ("https://[::1/", "Invalid IPv6"),
    ],
)
def test_what_is_no_url_to_send_to(url, said):
    """Every refusal names the rule."""
    with pytest.raises(ValueError, match=said):
        allowlist.read_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/T0/secret?token=x", "https://hooks.example.com"),
        ("https://bob:secret@hooks.example.com/", "https://hooks.example.com"),
        ("nonsense:bob:secret@x/?token=1", "'nonsense:bob:secret@x/'"),
        ("x://bob:secret@hooks.example.com:99999/\n?token=1", "'x://hooks.example.com:99999/\\n'"),
    ],
)
def test_an_error_does_not_tell_the_secret_part(url, shown):
    """Paths, queries and user info of receivers are often what lets one in."""
    assert allowlist.show(url) == shown
