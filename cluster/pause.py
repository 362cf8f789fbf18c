"""The pause program: a static binary of a few kilobytes that holds namespaces open."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cluster import commands, layout

_SOURCE = Path(__file__).parent / "c" / "pause.c"


def program(places: layout.Layout) -> Path:
    """Return where the built program is, built or not."""
    key = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    return places.cache / "programs" / f"pause-{key}"


def build(places: layout.Layout) -> None:
    """Compile it into the cache."""
    final = program(places)
    final.parent.mkdir(parents=True, exist_ok=True)
    fresh = final.with_suffix(".new")
    commands.run(
        ["gcc", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", fresh, _SOURCE],
        log=places.logs / "build-pause.log",
    )
    fresh.rename(final)
