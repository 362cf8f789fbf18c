"""The fingerprint names what determines an image, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.model import build
from mayfly.plan import fingerprint

HOME = fingerprint.Environment(base="sha256:1", runtime_layer="sha256:2", runtime="python3.11", compiler="3.11.2")


def _inline(files: dict[str, str], **more: object) -> build.BuildRequest:
    return build.BuildRequest.model_validate(
        {"namespace": "shop", "name": "hello", "source": {"inline": {"files": files}}, **more}
    )


def _oci(ref: str) -> build.BuildRequest:
    return build.BuildRequest.model_validate({"namespace": "shop", "name": "hello", "source": {"oci": {"ref": ref}}})


def test_file_order_does_not_count() -> None:
    """Two JSON spellings of one request are one build."""
    one = _inline({"a.py": "1", "b.py": "2"})
    two = _inline({"b.py": "2", "a.py": "1"})
    assert fingerprint.make_fingerprint(one, HOME) == fingerprint.make_fingerprint(two, HOME)


def test_registry_address_does_not_count() -> None:
    """An uploaded source is known by its digest."""
    one, two = _oci("a:5000/x@sha256:" + "1" * 64), _oci("b/y@sha256:" + "1" * 64)
    assert fingerprint.make_fingerprint(one, HOME) == fingerprint.make_fingerprint(two, HOME)


@pytest.mark.parametrize(
    "changed",
    [
        _inline({"a.py": "2"}),
        _inline({"b.py": "1"}),
        _inline({"a.py": "1"}, handler="a:f"),
        _inline({"a.py": "1"}, signature="http"),
        _inline({"a.py": "1"}, rebuild="2026-11-21"),
        _inline({"a.py": "1"}, name="other"),
        _oci("a/b@sha256:" + "1" * 64),
    ],
    ids=["content", "path", "handler", "signature", "rebuild", "name", "kind"],
)
def test_request_counts(changed: build.BuildRequest) -> None:
    """Each part of a request that can change the image changes the fingerprint."""
    assert fingerprint.make_fingerprint(changed, HOME) != fingerprint.make_fingerprint(_inline({"a.py": "1"}), HOME)


@pytest.mark.parametrize("field", ["base", "runtime_layer", "runtime", "compiler"])
def test_environment_counts(field: str) -> None:
    """A new base image, runtime or compiler leads to a new image."""
    request = _inline({"a.py": "1"})
    assert fingerprint.make_fingerprint(request, HOME) != fingerprint.make_fingerprint(
        request, replace(HOME, **{field: "new"})
    )


def _outside(**source: object) -> build.BuildRequest:
    return build.BuildRequest.model_validate({"namespace": "shop", "name": "hello", **source})


GIT = {"url": "https://host/shop.git", "revision": "a" * 40, "path": "hello", "secret": "git"}
ARCHIVE = {"url": "https://host/shop.tgz", "sha256": "b" * 64, "path": "hello", "secret": "git"}


@pytest.mark.parametrize(("kind", "source"), [("git", GIT), ("archive", ARCHIVE)], ids=["git", "archive"])
def test_source_outside_counts(kind: str, source: dict[str, str]) -> None:
    """URL, commit or checksum, and folder name an image; the Secret, its login and the look do not."""
    base = make(_outside(source={kind: source}))
    for name in set(source) - {"secret"}:
        changed = "c" * len(source[name]) if name in {"revision", "sha256"} else source[name] + "x"
        assert make(_outside(source={kind: source | {name: changed}})) != base, name
    assert make(_outside(source={kind: source | {"secret": "other"}}, credentials={"password": "x"})) == base
    assert make(_outside(source={kind: source}, look="1")) == base


def test_known_fingerprints_stay() -> None:
    """Images of earlier versions are found again."""
    assert make(_inline({"a.py": "1"})) == "1d0b96ab5fae2cc32ec958d713ec9407582d59f94c217196d47165bb38372a1b"


def make(request: build.BuildRequest) -> str:
    return fingerprint.make_fingerprint(request, HOME)
