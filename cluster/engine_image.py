"""The base image for clusters that are not local: by the container engine where there is one."""

from __future__ import annotations

from pathlib import Path

from cluster import base_image, commands, images, layout, packages, programs, steps

_DOCKERFILE = Path(__file__).parent / "base-python.Dockerfile"


def step(places: layout.Layout, engine: str | None) -> steps.Step:
    """Return the step that has the base image in the registry."""
    image = base_image.find(places)

    def run() -> None:
        if engine:
            build(places, engine)
            return
        if packages.find_missing(places):
            packages.install(places)
        if not image.directory.is_dir():
            base_image.make(places)
        images.push(places, image)

    return steps.Step(
        "make and push base-python",
        run=run,
        done=lambda: images.find_digest(places, image.repository, image.tag) is not None,
        after=("build tools",),
    )


def build(places: layout.Layout, engine: str) -> None:
    """Build the image with the engine, and push it with crane: engines insist on HTTPS."""
    image = base_image.find(places)
    name = images.reference(places, image)
    log = places.logs / "base-image.log"
    archive = places.state / "base-python.tar"
    commands.run([engine, "build", "--tag", name, "--file", _DOCKERFILE, _DOCKERFILE.parent / "c"], log=log)
    commands.run([engine, "save", "--output", archive, name], log=log)
    push: list[str | Path] = [programs.path(places, "tools", "crane"), "push", "--insecure", archive, name]
    commands.run(push, log=log)
    archive.unlink()
