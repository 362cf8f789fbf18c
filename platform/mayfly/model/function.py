"""The spec of a Function: what its author writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from mayfly.model import build, duration, exposure, part, trigger


class Runtime(StrEnum):
    """Language runtimes this version offers."""

    PYTHON = "python"
    PYTHON_311 = "python3.11"


class ConfigMapSource(part.Part):
    """A ConfigMap in the Function's namespace; each key is a file."""

    name: part.ObjectName = Field(description="Name of the ConfigMap.")


class OciSource(part.Part):
    """A source archive in a registry, as `mayfly deploy` uploads it."""

    ref: str = Field(
        description="Reference of the artifact by digest: HOST/REPOSITORY@sha256:DIGEST.",
        max_length=512,
        json_schema_extra=part.make_text_rule(
            "self.matches('^[^@ ]+/[^@ ]+@sha256:[a-f0-9]{64}$')",
            "source.oci.ref must name the artifact by digest: HOST/REPOSITORY@sha256:<64 hex digits>",
        ),
    )


_HOST = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
"""Scheme, host and port of a URL; no user, for what is in a manifest is no secret."""


def _make_url_rules(field: str, characters: str, without: str) -> dict[str, Any]:
    """Return the rules of a URL whose path consists of ``characters``; the value is not shown, it may hold a secret."""
    form = (
        f"{field} is https://HOST/PATH without {without}; a login belongs into a Secret. ssh, git and file URLs are not"
        " taken, and http only in networks that the operator names"
    )
    return part.make_rules(
        (f'self.matches(r"{_HOST}/[{characters}]*$")', form),
        ("!self.contains('/../') && !self.endsWith('/..')", f"{field} has no '..' in its path"),
    )


def _make_path_rule(field: str) -> dict[str, Any]:
    return part.make_text_rule(
        r"!self.startsWith('/') && !self.startsWith('-') && !self.contains('..') && !self.contains('\\')",
        f"{field} is a folder below the top of the source, without '..', such as functions/hello",
    )


class GitSource(part.Part):
    """A folder of a git repository that is served over HTTPS."""

    model_config = part.configure(
        (
            "!has(self.interval) || !has(self.revision) || !self.revision.matches('^[0-9a-f]{40}$')",
            "source.git.interval is for a branch or tag; a commit does not move",
        )
    )
    url: str = Field(
        description="URL of the repository: https://HOST/PATH, without user, query or fragment. Submodules, LFS and"
        " hooks are not followed.",
        max_length=1024,
        json_schema_extra=_make_url_rules("source.git.url", "A-Za-z0-9._~/+%@-", "user, query and fragment"),
    )
    revision: str = Field(
        "HEAD",
        description="Branch, tag, or commit in full. Default: HEAD, the repository's default branch.",
        min_length=1,
        max_length=255,
        json_schema_extra=part.make_text_rule(
            "self.matches('^[A-Za-z0-9_][A-Za-z0-9._/+#=,@-]*$') && !self.contains('..') && !self.contains('@{')",
            "source.git.revision is a branch, a tag or a commit of 40 hex digits",
        ),
    )
    path: str | None = Field(
        None,
        description="Folder of the repository that is the source. Default: all of it.",
        min_length=1,
        max_length=240,
        json_schema_extra=_make_path_rule("source.git.path"),
    )
    secret: part.ObjectName | None = Field(
        None,
        description="Name of a Secret in the Function's namespace with username and password (a token), or header"
        " (NAME: VALUE), for the repository's host.",
    )
    interval: part.Duration | None = Field(
        None,
        description="How often to look whether the branch or tag has moved, from 1m to 24h. Default: only when the"
        " source or the annotation mayfly.dev/rebuild changes.",
        json_schema_extra=part.make_duration_rule("source.git.interval", "1m", "24h", such_as="5m"),
    )

    @property
    def interval_seconds(self) -> float | None:
        """Seconds between two looks, ``None`` when nobody looks by themselves."""
        return None if self.interval is None else duration.parse_duration(self.interval)


class ArchiveSource(part.Part):
    """A tar, tar.gz or zip archive at a URL."""

    url: str = Field(
        description="URL of the archive: https://HOST/PATH, without user or fragment. A redirect to another host is"
        " not followed: write where it leads.",
        max_length=2048,
        json_schema_extra=_make_url_rules("source.archive.url", r"A-Za-z0-9._~/+%@:?&=,;!$'()*-", "user and fragment"),
    )
    sha256: str = Field(
        description="SHA-256 of the archive, 64 hex digits; nothing else is unpacked.",
        json_schema_extra=part.make_text_rule(
            "self.matches('^[a-f0-9]{64}$')", "source.archive.sha256 is 64 hex digits in lower case"
        ),
        max_length=128,
    )
    path: str | None = Field(
        None,
        description="Folder of the archive that is the source, such as the one that forges put around everything."
        " Default: all of it.",
        min_length=1,
        max_length=240,
        json_schema_extra=_make_path_rule("source.archive.path"),
    )
    secret: part.ObjectName | None = Field(
        None,
        description="Name of a Secret in the Function's namespace with username and password, or header (NAME: VALUE),"
        " for the archive's host.",
    )


def _make_choice(*fields: str) -> str:
    """Return the expression that holds where exactly one of ``fields`` is set."""
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(set, set).size() == 1"


class Source(part.Part):
    """Where the code comes from: exactly one of inline, configMap, oci, git, archive, image."""

    model_config = part.configure(
        (
            _make_choice("inline", "configMap", "oci", "git", "archive", "image"),
            "set exactly one of source.inline, source.configMap, source.oci, source.git, source.archive, source.image",
        )
    )
    inline: dict[str, str] | None = Field(
        None,
        description="Files in the manifest itself: path -> text, for example handler.py and requirements.txt.",
        min_length=1,
        max_length=64,
        json_schema_extra=part.make_rules(
            (
                r"self.all(path, path.size() <= 240 && !path.startsWith('/') && !path.contains('..'))",
                "paths in source.inline are relative, without '..', and at most 240 characters long",
            ),
        ),
    )
    config_map: ConfigMapSource | None = Field(
        None, description="A ConfigMap in the same namespace; each key is a file at the top of the source."
    )
    oci: OciSource | None = Field(None, description="An archive in a registry, uploaded by `mayfly deploy DIR`.")
    git: GitSource | None = Field(None, description="A folder of a git repository, at a branch, tag or commit.")
    archive: ArchiveSource | None = Field(None, description="A tar, tar.gz or zip archive at a URL, by its checksum.")
    image: str | None = Field(
        None,
        description="A ready container image that serves HTTP on $PORT; nothing is built.",
        min_length=1,
        max_length=512,
        json_schema_extra=part.make_text_rule(
            "!self.contains(' ')", "source.image is an image reference without blanks"
        ),
    )


class KeyReference(part.Part):
    """A key of a Secret or ConfigMap in the Function's namespace."""

    name: part.ObjectName = Field(description="Name of the object.")
    key: part.Key = Field(description="Key in the object.")
    optional: bool = Field(False, description="Start without the value when the object or key is absent.")


class EnvSource(part.Part):
    """Where the value of an environment variable comes from."""

    model_config = part.configure(
        ("has(self.secretKeyRef) != has(self.configMapKeyRef)", "set exactly one of secretKeyRef, configMapKeyRef")
    )
    secret_key_ref: KeyReference | None = Field(None, description="Key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(None, description="Key of a ConfigMap.")


class EnvVar(part.Part):
    """One environment variable."""

    model_config = part.configure(
        ("has(self.value) != has(self.valueFrom)", "an env entry has exactly one of value, valueFrom"),
        (
            "!self.name.startsWith('MAYFLY_') && !self.name.startsWith('K_') && self.name != 'PORT'",
            "PORT and names that begin with MAYFLY_ or K_ belong to the platform; choose another name",
        ),
    )
    name: str = Field(
        description="Name of the variable.", min_length=1, max_length=256, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"
    )
    value: str | None = Field(None, description="Literal value.", max_length=32768)
    value_from: EnvSource | None = Field(None, description="Reference to a Secret or ConfigMap key.")


class ObjectReference(part.Part):
    """A Secret or ConfigMap in the Function's namespace."""

    name: part.ObjectName = Field(description="Name of the object.")
    optional: bool = Field(False, description="Start without it when it is absent.")


class EnvFrom(part.Part):
    """All keys of a Secret or ConfigMap as environment variables."""

    model_config = part.configure(
        ("has(self.secretRef) != has(self.configMapRef)", "set exactly one of secretRef, configMapRef")
    )
    prefix: str | None = Field(
        None, description="Put before each key.", max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"
    )
    secret_ref: ObjectReference | None = Field(None, description="The Secret.")
    config_map_ref: ObjectReference | None = Field(None, description="The ConfigMap.")


class EmptyDir(part.Part):
    """Scratch space that lives as long as the pod."""

    size_limit: part.Quantity | None = Field(None, description="Largest size, for example 64Mi.")


RESERVED_PATHS = "^/(app|bin|boot|dev|lib|lib64|opt/mayfly|proc|sbin|sys|usr)(/|$)|^/(etc|home|opt|root|run|tmp|var)?$"
"""Where an image keeps its own files: some directories altogether, some but for their sub-directories."""


class Volume(part.Part):
    """Files mounted into the function: exactly one of secret, configMap, emptyDir."""

    model_config = part.configure(
        (
            "[has(self.secret), has(self.configMap), has(self.emptyDir)].filter(set, set).size() == 1",
            "a volume has exactly one of secret, configMap, emptyDir",
        ),
        (
            "self.path.startsWith('/') && !self.path.contains('..') && !self.path.contains('//')",
            "volumes[].path is an absolute path without '..' and '//', for example /etc/shop",
        ),
        ("!self.path.endsWith('/') || self.path == '/'", "volumes[].path does not end with '/'"),
        (
            f"!self.path.matches('{RESERVED_PATHS}')",
            "volumes[].path lies where the image keeps its own files; mount elsewhere, for example /etc/shop",
        ),
    )
    path: str = Field(description="Directory at which the files appear.", min_length=2, max_length=240)
    secret: ObjectReference | None = Field(None, description="Files from a Secret, read-only.")
    config_map: ObjectReference | None = Field(None, description="Files from a ConfigMap, read-only.")
    empty_dir: EmptyDir | None = Field(None, description="Writable scratch space.")


class Resources(part.Part):
    """What one instance gets."""

    cpu: part.BoundedQuantity = Field(
        "100m", description="CPU each instance is guaranteed; it may use more. Default: 100m."
    )
    memory: part.BoundedQuantity = Field(
        "128Mi", description="Memory each instance gets, guaranteed and at most. Default: 128Mi."
    )


class Scaling(part.Part):
    """How many instances run."""

    model_config = part.configure(
        (
            "!has(self.min) || !has(self.max) || self.max == 0 || self.min <= self.max",
            "scaling.min must not exceed scaling.max",
        ),
        (
            "!has(self.min) || has(self.max) || self.min <= 20",
            "scaling.min above 20 needs scaling.max, whose default is 20",
        ),
    )
    min: int = Field(0, description="Instances kept running; 0 scales to zero. Default: 0.", ge=0, le=1000)
    max: int = Field(20, description="Most instances; 0 sets no limit. Default: 20.", ge=0, le=1000)
    concurrency: int = Field(
        50, description="Requests one instance handles at a time; 0 sets no limit. Default: 50.", ge=0, le=1000
    )
    burst: int | None = Field(
        None,
        description="Requests that may come at once beyond what the instances can take: they are held until there are"
        " more, for which all calls make a detour while capacity is short. 0: calls always go straight to an instance,"
        " which refuses what it cannot take. Default: 211, and 0 where concurrency is 0.",
        ge=0,
        le=100000,
    )
    idle: part.Duration = Field(
        "30s",
        description="Time without requests after which instances go away, from 6s to 1h. Default: 30s.",
        json_schema_extra=part.make_duration_rule("scaling.idle", "6s", "1h", such_as="30s"),
    )


class FunctionSpec(part.Part):
    """What a Function is to be."""

    model_config = part.configure(
        (
            "has(self.source.image) || !has(self.env) || !self.env.exists(item, item.name == 'PYTHONPATH')",
            "PYTHONPATH belongs to the platform, which finds its runtime by it; put your modules into the source",
        )
    )
    source: Source = Field(
        description="Where the code comes from: exactly one of inline, configMap, oci, git, archive, image."
    )
    runtime: Runtime = Field(
        Runtime.PYTHON, description="Language runtime; python means the newest one offered. Default: python."
    )
    handler: str | None = Field(
        None,
        description="Callable that handles requests, as module:name; found by itself when absent.",
        min_length=1,
        max_length=253,
        json_schema_extra=part.make_text_rule(
            "self.matches('^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_.]*)?$')",
            "handler is module:name, for example main:hello",
        ),
    )
    signature: build.Signature = Field(
        build.Signature.AUTO,
        description="Calling convention of the handler; docs/functions.md describes each. It may be that of another"
        " platform for which the code was written; auto finds out and says why in status. Default: auto.",
    )
    env: tuple[EnvVar, ...] = Field(
        (),
        description="Environment variables.",
        max_length=128,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    env_from: tuple[EnvFrom, ...] = Field(
        (),
        description="Secrets and ConfigMaps whose keys become environment variables.",
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    volumes: tuple[Volume, ...] = Field(
        (),
        description="Secrets, ConfigMaps and scratch space mounted as files.",
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["path"]},
    )
    resources: Resources = Field(Resources(), description="CPU and memory of one instance.")
    timeout: part.Duration = Field(
        "30s",
        description="Longest time for one request, from 1s to 10m, counted from its arrival at an instance; then the"
        " answer is 504. Default: 30s.",
        json_schema_extra=part.make_duration_rule("timeout", "1s", "10m", such_as="30s"),
    )
    scaling: Scaling = Field(Scaling(), description="How many instances run and when they go away.")
    http: exposure.Http = Field(exposure.Http(), description="How the Function is reached over HTTP.")
    triggers: trigger.Triggers = ()
    delivery: trigger.Delivery = Field(
        trigger.Delivery(), description="How events and asynchronous calls reach the Function, and what if they cannot."
    )

    @property
    def timeout_seconds(self) -> float:
        """Seconds that one request may take."""
        return duration.parse_duration(self.timeout)
