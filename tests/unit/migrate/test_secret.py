"""What counts as a secret."""

from __future__ import annotations

import pytest

from mayfly.migrate import secret


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "x"),
        ("dbPassword", "x"),
        ("API_KEY", "x"),
        ("STRIPE_API_KEY", "x"),
        ("GITHUB_TOKEN", "x"),
        ("CLIENT_SECRET", "x"),
        ("ConnectionString", "x"),
        ("DATABASE", "postgres://shop:hunter2@db/shop"),
        ("STORE", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v;"),
        ("CERT", "-----BEGIN RSA PRIVATE KEY-----\nMII"),
        ("X", "AKIAABCDEFGHIJKLMNOP"),
        ("X", "ghp_abcdefghijklmnopqrstuvwxyz"),
        ("X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"),
    ],
)
def test_a_secret(name, value):
    assert secret.looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "400"),
        ("TOKEN_URL", "https://id.example/token"),
        ("SECRET_NAME", "shop"),
        ("PASSWORD_FILE", "/var/secrets/password"),
        ("KEYBOARD", "qwerty"),
        ("COMPASS", "north"),
        ("PRIMARY_KEY", "id"),
        ("URL", "https://shop.example:8443/a@b"),
        ("DB_PASSWORD", ""),
        ("", "hello"),
    ],
)
def test_no_secret(name, value):
    assert not secret.looks_secret(name, value)
