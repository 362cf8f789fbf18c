"""Which entries of a Secret are keys, and whose a key is."""

from __future__ import annotations

import base64

import pytest

from mayfly.eventing.reception import keys

KEY = "0123456789abcdef"


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize("text", [KEY, f"{KEY}\n", f" {KEY}\r\n", KEY * 10], ids=repr)
def test_a_key_is_known_by_its_client(text):
    found, unusable = keys.parse_keys({"shop": encode(text)})
    assert keys.find_client(found, text.strip()) == "shop"
    assert unusable == ()


@pytest.mark.parametrize(
    "encoded",
    [encode(""), encode(KEY[:15]), encode(f"{KEY} {KEY}"), encode(f"{KEY}é"), encode(b"\xff" * 20), "?", "AAA", None],
    ids=repr,
)
def test_what_cannot_be_a_key_lets_nobody_in(encoded):
    found, unusable = keys.parse_keys({"shop": encoded})
    assert (found, unusable) == ((), ("shop",))


def test_of_two_clients_with_the_same_key_the_first_is_known():
    found, unusable = keys.parse_keys({"b": encode(KEY), "a": encode(f"{KEY}\n"), "c": encode(KEY[::-1])})
    assert keys.find_client(found, KEY) == "a"
    assert keys.find_client(found, KEY[::-1]) == "c"
    assert unusable == ("b",)


@pytest.mark.parametrize("given", ["", KEY[:-1], f"{KEY}0", KEY.upper(), "é" * 16, f" {KEY}"])
def test_another_key_is_nobodys(given):
    found, _ = keys.parse_keys({"shop": encode(KEY)})
    assert keys.find_client(found, given) is None
    assert keys.find_client((), given) is None
