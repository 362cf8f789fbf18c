"""Images kept in the cache as OCI layouts, and their way into the registry."""

from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request
from pathlib import Path

from cluster import commands, layout, oci, programs

_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclasses.dataclass(frozen=True)
class Kept:
    """An image in the cache: its OCI layout, made or not, and the name it gets in the registry."""

    directory: Path
    repository: str
    tag: str = "latest"


def reference(places: layout.Layout, image: Kept) -> str:
    """Return the image's full name in the registry."""
    return f"{places.registry}/{image.repository}:{image.tag}"


def is_pushed(places: layout.Layout, image: Kept) -> bool:
    """Report whether the registry's tag is the very image that is kept."""
    if not image.directory.is_dir():
        return False
    return find_digest(places, image.repository, image.tag) == oci.read_digest(image.directory)


def find_digest(places: layout.Layout, repository: str, tag: str) -> str | None:
    """Return the digest the registry has for a tag, or None if it has none or does not answer."""
    url = f"http://{places.registry}/v2/{repository}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": _ACCEPT})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except (urllib.error.URLError, OSError):
        return None


def push(places: layout.Layout, image: Kept) -> None:
    """Push the image; layers the registry has are not sent again."""
    crane = programs.path(places, "tools", "crane")
    words: list[str | Path] = [crane, "push", "--insecure", image.directory, reference(places, image)]
    commands.run(words, log=places.logs / "images.log")
