"""From a Function to what is asked of the builder. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pydantic

from mayfly import errors
from mayfly.model import build, function
from mayfly.resources import owner


def make_request(
    owned_by: owner.Owner,
    spec: function.FunctionSpec,
    *,
    config_map: Mapping[str, Any] | None = None,
    rebuild: str | None = None,
    look: str | None = None,
) -> build.BuildRequest | None:
    """Return the request whose digest decides whether a build is due, ``None`` for a ready image.

    ``config_map`` is the object that ``source.configMap`` names, ``None`` when it does not exist; ``rebuild`` is the
    value of the annotation of that name; ``look`` marks one look at where a branch stands, and is dropped for others.

    Raises:
        InvalidSource: the ConfigMap is absent, empty or holds binary data.
    """
    if spec.source.image is not None:
        return None
    source = _make_source(owned_by, spec.source, config_map)
    return build.BuildRequest(
        namespace=owned_by.namespace,
        name=owned_by.name,
        source=source,
        runtime=str(spec.runtime),
        handler=spec.handler,
        signature=spec.signature,
        rebuild=rebuild,
        look=look if source.moving else None,
    )


def find_secret(wanted: build.BuildRequest) -> str | None:
    """Return the name of the Secret that opens the source's host, ``None`` when none is named."""
    outside = wanted.source.git or wanted.source.archive
    return outside.secret if outside is not None else None


def read_credentials(name: str, secret: Mapping[str, Any]) -> build.Credentials:
    """Return the login that the Secret ``name`` holds: ``header``, or ``password`` with or without ``username``.

    Raises:
        SourceUnavailable: it holds none; names its keys, never their values.
    """
    data = secret.get("data") or {}
    found = {key: _decode(name, key, data[key]) for key in ("username", "password", "header") if key in data}
    if "header" in found:
        return build.Credentials(header=pydantic.SecretStr(found["header"]))
    if "password" in found:
        return build.Credentials(**{key: pydantic.SecretStr(value) for key, value in found.items()})
    raise errors.SourceUnavailable(
        f"Secret {name} has neither password (with username) nor header, but {', '.join(sorted(data)) or 'no key'};"
        " sources are fetched over https, so an SSH key opens nothing"
    )


def _decode(name: str, key: str, text: str) -> str:
    try:
        return base64.b64decode(text).decode().strip("\r\n")
    except ValueError as error:
        raise errors.SourceUnavailable(f"key {key} of Secret {name} is not UTF-8 text") from error


def _make_source(
    owned_by: owner.Owner, source: function.Source, config_map: Mapping[str, Any] | None
) -> build.BuildSource:
    if source.oci is not None:
        return build.BuildSource(oci=build.OciSource(ref=source.oci.ref))
    if source.git is not None:
        return build.BuildSource(git=build.GitSource(**source.git.model_dump(exclude={"interval"})))
    if source.archive is not None:
        return build.BuildSource(archive=build.ArchiveSource(**source.archive.model_dump()))
    if source.inline is not None:
        files = dict(source.inline)
    elif source.config_map is not None:
        files = _read_files(f"{owned_by.namespace}/{source.config_map.name}", config_map)
    else:
        raise errors.InvalidSource(
            "spec.source is empty: set exactly one of inline, configMap, oci, git, archive, image"
        )
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
