"""Settings of each process, read from environment variables with the prefix ``MAYFLY_``.

The chart sets them; ``docs/settings.md`` is generated from these classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What every process of the platform reads."""

    model_config = SettingsConfigDict(env_prefix="MAYFLY_", frozen=True, extra="ignore")

    log_level: str = Field("INFO", description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR.")
    namespace: str = Field("mayfly-system", description="Namespace of the platform itself.")


class RegistrySettings(Settings):
    """How to reach the image registry."""

    registry: str = Field(
        "registry.mayfly-system.svc.cluster.local:5000/mayfly",
        description="Registry host and path prefix under which Mayfly keeps images and sources: HOST[:PORT]/PREFIX.",
    )
    registry_insecure: bool = Field(False, description="Speak plain HTTP to the registry.")
    registry_config: Path | None = Field(
        None, description="Docker config.json with the registry's credentials; none when the registry asks for none."
    )


class ControllerSettings(Settings):
    """Settings of the controller."""

    pod_name: str = Field("local", description="Identity in the leader election.")
    controller_name: str = Field(
        "",
        description="Functions whose annotation mayfly.dev/controller has this value are this controller's; empty:"
        " those without it. A second controller, such as a new version on trial, gets a name and its own namespace.",
    )
    builder_url: str = Field("http://mayfly-builder.mayfly-system.svc:8080", description="Base URL of the builder.")
    internal_token_file: Path = Field(
        Path("/var/run/mayfly/internal/token"), description="File with the token for calls to the builder."
    )
    ingress_class: str = Field(
        "mayfly.ingress.networking.knative.dev", description="Knative ingress class put on each function's Service."
    )
    workers: int = Field(16, description="Functions reconciled at the same time.")
    resync_seconds: float = Field(600.0, description="Interval after which every Function is looked at again.")
    image_pull_secret: str = Field(
        "", description="Name of the pull Secret in each function's namespace; empty when the registry asks for none."
    )
    metrics_port: int = Field(9090, description="Port of /healthz, /readyz and /metrics.")
    events_enabled: bool = Field(
        True, description="Whether this installation takes events; if not, Functions with triggers are told so."
    )
    webhook_port: int = Field(
        0, description="Port at which the API server has triggers checked before it stores them; TLS. 0: none."
    )
    webhook_directory: Path = Field(
        Path("/var/run/mayfly/webhook"), description="Directory with tls.crt and tls.key for that port."
    )


class BuilderSettings(RegistrySettings):
    """Settings of the builder."""

    port: int = Field(8080, description="Port of the builder's HTTP interface.")
    internal_token_file: Path = Field(
        Path("/var/run/mayfly/internal/token"), description="File with the token a caller must present."
    )
    base_images: dict[str, str] = Field(
        default_factory=dict,
        description='Runtime name -> base image reference, as JSON: {"python3.11": "HOST/base-python:3.11"}.',
    )
    default_runtime: str = Field("python3.11", description="What `runtime: python` means.")
    runtime_dir: Path = Field(
        Path("/opt/mayfly/runtime"), description="Prepared directory that becomes the runtime layer."
    )
    work_dir: Path = Field(Path("/tmp/mayfly"), description="Scratch space; safe to lose.")  # noqa: S108
    cache_dir: Path = Field(Path("/tmp/mayfly-cache"), description="Package cache; safe to lose.")  # noqa: S108
    concurrency: int = Field(2, description="Builds that run at the same time.")
    queue_limit: int = Field(100, description="Builds that may wait; one more is answered with 429.")
    build_timeout_seconds: float = Field(300.0, description="Longest time one build may take.")
    max_source_bytes: int = Field(50 * 1024 * 1024, description="Largest archive accepted, in bytes.")
    max_unpacked_bytes: int = Field(250 * 1024 * 1024, description="Largest unpacked source, in bytes.")
    max_dependency_bytes: int = Field(1024 * 1024 * 1024, description="Largest installed dependency tree, in bytes.")
    index_url: str = Field("", description="Python package index; empty for the public one.")
    source_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks, beside the Internet, from which sources may be fetched (git, archive); plain HTTP is"
        " allowed there. A list in JSON.",
    )


class GatewaySettings(Settings):
    """Settings of the gateway's control process."""

    pod_name: str = Field("local", description="Identity in the leader election.")
    mode: Literal["networking", "edge"] = Field(
        "networking",
        description="networking: be the networking layer of Knative; edge: stand in front of another one.",
    )
    ingress_class: str = Field(
        "mayfly.ingress.networking.knative.dev",
        description="Ingress class it serves; in mode edge that of the gateway behind it.",
    )
    xds_socket: Path = Field(Path("/var/run/mayfly/xds.sock"), description="Unix socket on which Envoy asks for xDS.")
    listen_address: str = Field(
        "0.0.0.0",  # noqa: S104  (the listeners are there to be reached)
        description="Address of Envoy's listeners; `::` takes IPv6 and IPv4.",
    )
    public_port: int = Field(8080, description="Port of Envoy's public listener.")
    internal_port: int = Field(8081, description="Port of Envoy's cluster-local listener.")
    tls_enabled: bool = Field(True, description="Terminate TLS; control then reads the Secrets that ingresses name.")
    secure_port: int = Field(8443, description="Port of Envoy's TLS listener.")
    public_service: str = Field(
        "mayfly-gateway.mayfly-system.svc.cluster.local", description="Host name written as public load balancer."
    )
    internal_service: str = Field(
        "mayfly-gateway-internal.mayfly-system.svc.cluster.local",
        description="Host name written as private load balancer.",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks (CIDR) of proxies in front of the gateway, whose X-Forwarded-For, -Proto and -Host are"
        " believed. A list in JSON.",
    )
    external_names: tuple[str, ...] = Field(
        (),
        description="DNS names that Services of type ExternalName may lead to; `.example.com` means all below it. A"
        " list in JSON; the gateway's own names are always followed.",
    )
    metrics_port: int = Field(9090, description="Port of /healthz, /readyz and /metrics.")
    envoy_metrics_port: int = Field(
        9090, description="Port of Envoy's metrics on this machine, which /metrics shows too; 0: it does not."
    )
    access_log: bool = Field(True, description="Have Envoy write a line of JSON for each request.")
    access_log_minimum_status: int = Field(
        0, description="Log only requests that were answered with this status or a higher one, or not at all."
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(|.+:[0-9]{1,5})$",
        description="HOST:PORT of a collector that takes spans by OTLP over gRPC without TLS; empty exports none.",
    )
    sampling_percent: float = Field(
        1.0, ge=0, le=100, description="Share of the traces that begin at the gateway which is exported."
    )
    alias_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts at which functions are found at /function/NAME[.NAMESPACE]. A list in JSON; none: nowhere.",
    )
    alias_namespace: str = Field("default", description="Namespace of a function whose path names none.")
    jwks_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks, beside the Internet, in which issuers may publish their keys (JWKS); plain HTTP is"
        " allowed there. A list in JSON.",
    )
    jwks_directory: Path | None = Field(
        None, description="Directory that keeps the issuers' last keys for the next start; empty keeps none."
    )
    eventing_service: str = Field(
        "",
        pattern=r"^(|[a-z0-9-]+/[a-z0-9-]+:[0-9]+)$",
        description="NAMESPACE/NAME:PORT of the Service that takes events and asynchronous calls; empty: none does.",
    )
    internal_token_file: Path = Field(
        Path("/var/run/mayfly/internal/token"),
        description="File with the token by which that Service knows the gateway, and the gateway its deliveries.",
    )
    event_hosts: tuple[str, ...] = Field(
        (), description="Public hosts at which events are posted to /events and /events/NAMESPACE. A list in JSON."
    )
    event_tls_secret: str = Field(
        "",
        pattern=r"^(|[a-z0-9-]+/[a-z0-9.-]+)$",
        description="NAMESPACE/NAME of the Secret (kubernetes.io/tls) with the certificate of these hosts; empty: they"
        " are not served over TLS.",
    )
    alias_async: bool = Field(
        False, description="Take asynchronous calls at /async-function/NAME of the alias hosts, as OpenFaaS does."
    )


class EventingSettings(Settings):
    """Settings of the process that takes events and asynchronous calls, keeps and delivers them."""

    pod_name: str = Field("local", description="Identity in the leader election and in leases of invocations.")
    port: int = Field(8080, description="Port of the HTTP interface.")
    metrics_port: int = Field(9090, description="Port of /healthz, /readyz and /metrics.")
    internal_token_file: Path = Field(
        Path("/var/run/mayfly/internal/token"), description="File with the token of calls within the platform."
    )
    store: Literal["sqlite", "postgres"] = Field(
        "sqlite", description="sqlite: one file, one replica; postgres: a database, any number of replicas."
    )
    sqlite_path: Path = Field(Path("/var/lib/mayfly/invocations.db"), description="The file of the store sqlite.")
    postgres_dsn_file: Path = Field(
        Path("/var/run/mayfly/postgres/dsn"),
        description="File with the address of the store postgres: postgresql://USER:PASSWORD@HOST[:PORT]/DATABASE.",
    )
    postgres_schema: str = Field("mayfly", description="Schema of the store postgres.", pattern=r"^[a-z_][a-z0-9_]*$")
    gateway_url: str = Field(
        "http://mayfly-gateway-internal.mayfly-system.svc.cluster.local",
        description="Base URL of the gateway's internal listener, through which functions are called.",
    )
    default_namespace: str = Field("default", description="Namespace of events that are posted to /events itself.")
    delivery_connections: int = Field(512, description="Deliveries under way at a time, all functions together.", ge=1)
    max_waiting: int = Field(
        500000, description="Invocations that may wait in one namespace; further ones are answered 429.", ge=1
    )
    result_retention_seconds: float = Field(
        86400.0, description="How long delivered and cancelled invocations are kept, with result and idempotency key."
    )
    destination_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts of URLs to which results, callbacks and dead letters may go; `.example.com` means all below"
        " it. A list in JSON; none: nowhere.",
    )
    destination_networks: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks, beside the Internet, to which these hosts may resolve; plain HTTP is allowed there. A"
        " list in JSON.",
    )
    callbacks: bool = Field(
        False, description="Obey X-Callback-Url of asynchronous calls, as OpenFaaS does, for allowed hosts."
    )


class ApiSettings(RegistrySettings):
    """Settings of the REST API."""

    port: int = Field(8080, description="Port of the REST API.")
    audience: str = Field(
        "", description="Audience a bearer token must be made for; empty: the API server's own, or `mayfly`."
    )
    max_source_bytes: int = Field(50 * 1024 * 1024, description="Largest upload accepted, in bytes.")
    eventing_url: str = Field(
        "http://mayfly-eventing.mayfly-system.svc:8080",
        description="Base URL of the process that keeps invocations; empty: the installation has none.",
    )
    internal_token_file: Path = Field(
        Path("/var/run/mayfly/internal/token"), description="File with the token for calls to it."
    )
