"""From a Function to what is asked of the builder. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mayfly import errors
from mayfly.model import build, function
from mayfly.resources import owner


def make_request(
    owned_by: owner.Owner,
    spec: function.FunctionSpec,
    *,
    config_map: Mapping[str, Any] | None = None,
    rebuild: str | None = None,
) -> build.BuildRequest | None:
    """Return the request whose digest decides whether a build is due, ``None`` for a ready image.

    ``config_map`` is the object that ``source.configMap`` names, ``None`` when it does not exist; ``rebuild`` is the
    value of the annotation of that name.

    Raises:
        InvalidSource: the ConfigMap is absent, empty or holds binary data.
    """
    if spec.source.image is not None:
        return None
    return build.BuildRequest(
        namespace=owned_by.namespace,
        name=owned_by.name,
        source=_make_source(owned_by, spec.source, config_map),
        runtime=str(spec.runtime),
        handler=spec.handler,
        signature=spec.signature,
        rebuild=rebuild,
    )


def _make_source(
    owned_by: owner.Owner, source: function.Source, config_map: Mapping[str, Any] | None
) -> build.BuildSource:
    if source.oci is not None:
        return build.BuildSource(oci=build.OciSource(ref=source.oci.ref))
    if source.inline is not None:
        files = dict(source.inline)
    elif source.config_map is not None:
        files = _read_files(f"{owned_by.namespace}/{source.config_map.name}", config_map)
    else:
        raise errors.InvalidSource("spec.source is empty: set exactly one of inline, configMap, oci, image")
    # Sorted, so that equal sources have equal digests whatever order they were written in.
    return build.BuildSource(inline=build.InlineFiles(files=dict(sorted(files.items()))))


def _read_files(name: str, config_map: Mapping[str, Any] | None) -> dict[str, str]:
    if config_map is None:
        raise errors.InvalidSource(
            f"spec.source.configMap: ConfigMap {name} does not exist; create it in the Function's namespace"
        )
    if binary := sorted(config_map.get("binaryData") or {}):
        raise errors.InvalidSource(
            f"spec.source.configMap: key {binary[0]!r} of ConfigMap {name} is binary; sources are text."
            " Use `mayfly deploy` for anything else"
        )
    if not (files := config_map.get("data")):
        raise errors.InvalidSource(
            f"spec.source.configMap: ConfigMap {name} has no data; add a key per file, such as handler.py"
        )
    return dict(files)
