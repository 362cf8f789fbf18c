"""The spec of a Function: what its author writes."""

from __future__ import annotations

from enum import StrEnum

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


class Source(part.Part):
    """Where the code comes from: exactly one of inline, configMap, oci, image."""

    model_config = part.configure(
        (
            "[has(self.inline), has(self.configMap), has(self.oci), has(self.image)].filter(set, set).size() == 1",
            "set exactly one of source.inline, source.configMap, source.oci, source.image",
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


_RESERVED_PATHS = "^/(app|bin|boot|dev|lib|lib64|opt/mayfly|proc|sbin|sys|usr)(/|$)|^/(etc|home|opt|root|run|tmp|var)?$"
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
            f"!self.path.matches('{_RESERVED_PATHS}')",
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
    source: Source = Field(description="Where the code comes from: exactly one of inline, configMap, oci, image.")
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
        description="Calling convention of the handler: http f(request), cloudevent f(event), lambda f(event, context),"
        " asgi or wsgi application; auto finds out and reports it in status. Default: auto.",
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
