"""Names of images: ``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``.

The grammar and the defaults are those of https://github.com/distribution/reference (``regexp.go``,
``normalize.go``), which Docker, containerd and Kubernetes use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from mayfly import errors
from mayfly.image import digest as digests

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_LONGEST_NAME = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image is: ``host`` with optional port, ``repository`` path, and ``tag`` and ``digest`` or ``None``.

    A digest names one image for ever; a tag names whatever was pushed last. If both are given the digest decides.

    >>> str(ImageRef.parse("python:3.11"))
    'docker.io/library/python:3.11'
    """

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Return the reference that ``text`` spells, with the default host filled in but no default tag.

        Raises:
            errors.InvalidName: ``text`` breaks a rule of the grammar.
        """
        rest, at, digest = text.partition("@")
        name, tag = _split_tag(rest)
        host, repository = _split_host(name)
        _check(text, name=f"{host}/{repository}", host=host, repository=repository, tag=tag)
        return cls(host, repository, tag, digests.parse_digest(digest) if at else None)

    @property
    def reference(self) -> str:
        """The last part of a manifest's URL: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def name(self) -> str:
        """Host and repository, without tag and digest."""
        return f"{self.host}/{self.repository}"

    def with_tag(self, tag: str) -> ImageRef:
        """Return the same repository with ``tag`` and no digest; raises ``errors.InvalidName`` on a bad tag."""
        _check(tag, name=self.name, host=self.host, repository=self.repository, tag=tag)
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> ImageRef:
        """Return the same repository with ``digest`` and no tag: the form to put into a pod."""
        return replace(self, tag=None, digest=digests.parse_digest(digest))

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}@{self.digest}" if self.digest else f"{self.name}{tag}"


def _split_tag(text: str) -> tuple[str, str | None]:
    """Split off the tag: what follows a colon that no slash follows (else the colon belongs to a port)."""
    name, colon, tag = text.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (text, None)


def _split_host(name: str) -> tuple[str, str]:
    """Split off the host: a first part with dot or colon, upper case, or ``localhost``; else it is Docker Hub's."""
    first, slash, rest = name.partition("/")
    if slash and (any(mark in first for mark in ".:") or first == "localhost" or first != first.lower()):
        host, repository = first, rest
    else:
        host, repository = DEFAULT_HOST, name
    if host == "index.docker.io":
        host = DEFAULT_HOST
    return host, f"{_OFFICIAL}{repository}" if host == DEFAULT_HOST and "/" not in repository else repository


def _check(text: str, *, name: str, host: str, repository: str, tag: str | None) -> None:
    if not _HOST.fullmatch(host):
        _refuse(text, f"host {host!r} is not a host name with an optional port", "write it like registry.example:5000")
    if not _REPOSITORY.fullmatch(repository):
        _refuse(
            text,
            f"path {repository!r} may have only lower-case letters and digits, joined by single . _ - or / signs",
            "write it like team/catalogue",
        )
    if tag is not None and not _TAG.fullmatch(tag):
        _refuse(
            text,
            f"tag {tag!r} may have 1 to 128 letters, digits, _ . and -, the first not . or -",
            "write it like v1.2",
        )
    if len(name) > _LONGEST_NAME:
        _refuse(text, f"its name has {len(name)} characters, at most {_LONGEST_NAME} are allowed", "shorten the path")


def _refuse(text: str, rule: str, fix: str) -> NoReturn:
    raise errors.InvalidName(f"image reference {text!r} is not valid: {rule}; {fix}")
