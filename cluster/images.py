"""Bring images from the cache into the registry."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from cluster import commands, layout, oci, programs

_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def reference(repository: str, tag: str) -> str:
    """Return the full name of an image in the local registry."""
    return f"{layout.registry_address()}/{repository}:{tag}"


def is_pushed(directory: Path, *, repository: str, tag: str) -> bool:
    """Report whether the registry's tag is the very image of the OCI layout."""
    return directory.is_dir() and find_digest(repository, tag) == oci.read_digest(directory)


def find_digest(repository: str, tag: str) -> str | None:
    """Return the digest the registry has for a tag, or None if it has none or does not answer."""
    url = f"http://{layout.registry_address()}/v2/{repository}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": _ACCEPT})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except (urllib.error.URLError, OSError):
        return None


def push(places: layout.Layout, directory: Path, *, repository: str, tag: str) -> None:
    """Push the image of an OCI layout; layers the registry has are not sent again."""
    crane = programs.path(places, "tools", "crane")
    commands.run(
        [crane, "push", "--insecure", directory, reference(repository, tag)],
        log=places.logs / "images.log",
    )
