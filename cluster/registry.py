"""The image registry; what it holds is kept in the cache, so a later cluster starts with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cluster import daemons, layout, processes

_USE = "in-use"


def storage(places: layout.Layout) -> Path:
    """Return where the registry keeps its blobs."""
    return places.cache / "registry"


def make_config(directory: Path) -> str:
    """Return the registry's configuration: plain HTTP, no accounts, deletion allowed. Pure."""
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory)}, "delete": {"enabled": True}},
        "http": {"addr": f"{layout.NODE_ADDRESS}:{layout.REGISTRY_PORT}"},
    }
    return json.dumps(config, indent=2)


def prepare(places: layout.Layout) -> None:
    """Write its file, and drop a storage that a crash of the whole machine may have torn."""
    directory = storage(places)
    mark = directory / _USE
    if mark.exists() and mark.read_text() != processes.read_boot():
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(processes.read_boot())
    places.config.mkdir(parents=True, exist_ok=True)
    (places.config / "registry.json").write_text(make_config(directory))


def mark_clean(places: layout.Layout) -> None:
    """Note that the registry was stopped in order and all it wrote is on the disk."""
    (storage(places) / _USE).unlink(missing_ok=True)


def make_daemon(places: layout.Layout) -> daemons.Daemon:
    """Return the registry."""
    return daemons.Daemon(
        name="registry",
        prepare=lambda: prepare(places),
        argv=lambda: ["docker-registry", "serve", places.config / "registry.json"],
        ready=lambda: daemons.answers_http(f"http://{places.registry}/v2/"),
    )
