"""Build Knative's ingress conformance suite: its test binary and the images that its tests run.

Both come from the Go modules that the local cluster is built from, and are kept in its cache under their checksums.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import tempfile
from pathlib import Path

from cluster import commands, images, layout, programs, small_images, toolchain

SET = "knative"
PACKAGE = "knative.dev/networking/test/conformance/ingress"
IMAGES_PACKAGE = "knative.dev/networking/test/test_images"
IMAGES = ("grpc-ping", "httpproxy", "retry", "runtime", "timeout", "wsserver")
REPOSITORY = "conformance"
BINARY = "ingress.test"


@dataclasses.dataclass(frozen=True, slots=True)
class Suite:
    """Say where the suite is in the cache; ``key`` stands for all that decides its bytes, 16 hex digits."""

    directory: Path
    key: str

    @property
    def binary(self) -> Path:
        """Return the compiled tests."""
        return self.directory / BINARY

    @property
    def images(self) -> list[images.Kept]:
        """Return the kept images, tagged with the key."""
        return [images.Kept(self.directory / name, f"{REPOSITORY}/{name}", self.key) for name in IMAGES]


def find(places: layout.Layout) -> Suite:
    """Return the suite of this clone's modules, built or not."""
    static = small_images.find_static(places).directory.name
    key = hashlib.sha256(f"{programs.read_key(places, SET)} {static}".encode()).hexdigest()[:16]
    return Suite(places.cache / "conformance" / key, key)


def build(places: layout.Layout, suite: Suite) -> None:
    """Compile the tests, build the images, and keep all of it or nothing."""
    suite.directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".conformance-", dir=suite.directory.parent))
    try:
        _compile(places, work / BINARY)
        _build_images(places, suite, work)
        work.chmod(0o755)
        work.rename(suite.directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def push(places: layout.Layout, suite: Suite) -> None:
    """Push the images that the registry lacks."""
    static = small_images.find_static(places)
    for image in suite.images:
        if not images.is_pushed(places, image):
            images.push(places, image)
    if not images.is_pushed(places, static):
        images.push(places, static)


def _compile(places: layout.Layout, target: Path) -> None:
    words: list[str | Path] = ["go", "test", "-c", "-tags=e2e", "-trimpath", "-o", target, PACKAGE]
    log = places.logs / "build-conformance.log"
    commands.run(words, log=log, cwd=places.modules / SET, env=toolchain.environment(places))


def _build_images(places: layout.Layout, suite: Suite, work: Path) -> None:
    """Have ko build and push, and pull what it made into the cache."""
    flags = ("--base-import-paths", "--sbom=none", "--platform=linux/amd64", "--insecure-registry", "--jobs=2")
    words: list[str | Path] = [programs.path(places, "tools", "ko"), "build", *flags, "--tags", suite.key]
    environment = toolchain.environment(places) | {
        "KO_DOCKER_REPO": f"{places.registry}/{REPOSITORY}",
        "KO_DEFAULTBASEIMAGE": images.reference(places, small_images.find_static(places)),
        "SOURCE_DATE_EPOCH": "0",
    }
    log = places.logs / "build-conformance.log"
    names = [f"{IMAGES_PACKAGE}/{name}" for name in IMAGES]
    commands.run([*words, *names], log=log, cwd=places.modules / SET, env=environment)
    crane = programs.path(places, "tools", "crane")
    for image in suite.images:
        pull: list[str | Path] = [crane, "pull", "--insecure", "--format=oci", images.reference(places, image)]
        commands.run([*pull, work / image.directory.name], log=log)
