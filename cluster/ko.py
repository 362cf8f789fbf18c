"""Build the images that manifests name by `ko://`, once, and keep them with the manifests that name their digests."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster import commands, images, layout, oci, programs, small_images, toolchain

MANIFESTS = "resolved.yaml"


def directory(places: layout.Layout, set_name: str) -> Path:
    """Return where a set's images and manifests are, built or not."""
    base = small_images.find_static(places).directory.name
    words = [programs.read_key(places, set_name), base, places.registry]
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
    return places.cache / "images" / f"{set_name}-{key}"


def build(
    places: layout.Layout, set_name: str, *, manifests: Sequence[Path], change: Callable[[str], str] = str
) -> None:
    """Build with the modules of the set, push to the registry, and keep all of it whole or not at all.

    manifests: files, and directories with all below them; their order is kept.
    change: is applied to the text of the manifests that are kept.
    """
    final = directory(places, set_name)
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{set_name}-", dir=final.parent))
    try:
        text = _resolve(places, set_name, manifests=manifests, output=work / MANIFESTS)
        for name, reference in find_images(text, registry=places.registry, repository=set_name).items():
            crane = programs.path(places, "tools", "crane")
            words: list[str | Path] = [crane, "pull", "--insecure", "--format=oci", reference, work / name]
            commands.run(words, log=places.logs / "images.log")
        (work / MANIFESTS).write_text(change(text))
        work.chmod(0o755)
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def list_images(places: layout.Layout, set_name: str) -> list[images.Kept]:
    """Return the kept images of a set that is built."""
    where = directory(places, set_name)
    return [
        images.Kept(path.parent, repository=f"{set_name}/{path.parent.name}")
        for path in sorted(where.glob("*/index.json"))
    ]


def are_pushed(places: layout.Layout, set_name: str) -> bool:
    """Report whether the registry holds every image the kept manifests name."""
    kept = list_images(places, set_name)
    return bool(kept) and all(
        images.find_digest(places, image.repository, oci.read_digest(image.directory)) for image in kept
    )


def push(places: layout.Layout, set_name: str) -> None:
    """Push the kept images."""
    for image in list_images(places, set_name):
        images.push(places, image)


def find_images(manifests: str, *, registry: str, repository: str) -> dict[str, str]:
    """Return the images of resolved manifests: program -> reference with digest. Pure."""
    pattern = rf"{re.escape(registry)}/{repository}/([a-z_-]+)@sha256:[0-9a-f]{{64}}"
    return {match[1]: match[0] for match in re.finditer(pattern, manifests)}


def _resolve(places: layout.Layout, set_name: str, *, manifests: Sequence[Path], output: Path) -> str:
    """Have ko build and push; return the manifests with digests."""
    flags = ("--base-import-paths", "--sbom=none", "--platform=linux/amd64", "--insecure-registry", "--jobs=2")
    words: list[str | Path] = [programs.path(places, "tools", "ko"), "resolve", *flags]
    files = [word for path in manifests for word in ("-f", path)]
    commands.run(
        [*words, "-R", *files],
        log=places.logs / f"build-{set_name}.log",
        cwd=places.modules / set_name,
        stdout=output,
        env={
            **toolchain.environment(places),
            "KO_DOCKER_REPO": f"{places.registry}/{set_name}",
            "KO_DEFAULTBASEIMAGE": images.reference(places, small_images.find_static(places)),
            "SOURCE_DATE_EPOCH": "0",
        },
    )
    return output.read_text()
