"""What the environment of the container says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class SettingsError(Exception):
    """Name the variable, its value and the rule it breaks."""


class Settings(NamedTuple):
    """The runtime's settings; each field names its variable."""

    handler: str
    """MAYFLY_HANDLER: ``module:attribute``; ``module.attribute`` as AWS writes it is understood too."""
    signature: str
    """MAYFLY_SIGNATURE: the dialect. Default ``http``."""
    timeout_seconds: float
    """MAYFLY_TIMEOUT_SECONDS: deadline of one call. Default 30."""
    concurrency: int
    """MAYFLY_CONCURRENCY: calls at a time that Knative sends to this instance; 0 (default) is unlimited."""
    function: str
    """MAYFLY_FUNCTION: name of the Function. Default: K_SERVICE, else ``function``."""
    namespace: str
    """MAYFLY_NAMESPACE: its namespace. Default ``default``."""
    revision: str
    """K_REVISION: set by Knative. Default empty."""
    port: int
    """PORT: set by Knative. Default 8080; 0 takes a free one, which the record ``listening`` names."""
    code_dir: str
    """MAYFLY_CODE_DIR: the user's source. Default ``/app``."""
    dependencies_dir: str
    """MAYFLY_DEPENDENCIES_DIR: the user's packages; it need not exist. Default ``/opt/mayfly/dependencies``."""
    max_body_bytes: int
    """MAYFLY_MAX_BODY_BYTES: larger request bodies get 413 (ASGI applications read their own). Default 32 MiB."""
    termination_log: str
    """MAYFLY_TERMINATION_LOG: where the reason of a failed load is written. Default ``/dev/termination-log``."""
    log_level: str
    """MAYFLY_LOG_LEVEL: ``debug`` adds a line for each call. Default ``info``."""
    lambda_payload: str
    """LAMBDA_PAYLOAD: format of the events that signature ``lambda`` gets, ``1.0`` or ``2.0``. Default 2.0.

    Its author sets it in ``spec.env``, where the platform's own prefix is not allowed.
    """


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in ``environ``; pure.

    Raises:
        SettingsError: a value is not what its field takes.
    """
    return Settings(
        handler=environ.get("MAYFLY_HANDLER", ""),
        signature=environ.get("MAYFLY_SIGNATURE") or "http",
        timeout_seconds=_read_number(environ, "MAYFLY_TIMEOUT_SECONDS", 30.0, float, least=0.001, most=86_400),
        concurrency=_read_number(environ, "MAYFLY_CONCURRENCY", 0, int, least=0, most=100_000),
        function=environ.get("MAYFLY_FUNCTION") or environ.get("K_SERVICE") or "function",
        namespace=environ.get("MAYFLY_NAMESPACE") or "default",
        revision=environ.get("K_REVISION", ""),
        port=_read_number(environ, "PORT", 8080, int, least=0, most=65_535),
        code_dir=environ.get("MAYFLY_CODE_DIR") or "/app",
        dependencies_dir=environ.get("MAYFLY_DEPENDENCIES_DIR") or "/opt/mayfly/dependencies",
        max_body_bytes=_read_number(environ, "MAYFLY_MAX_BODY_BYTES", 32 * 1024 * 1024, int, least=0, most=1 << 40),
        termination_log=environ.get("MAYFLY_TERMINATION_LOG") or "/dev/termination-log",
        log_level=_read_level(environ),
        lambda_payload=_read_payload(environ),
    )


def _read_number(
    environ: Mapping[str, str], name: str, default: Any, kind: Callable[[str], Any], *, least: float, most: float
) -> Any:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise SettingsError(f"{name}={text!r} must be a number from {least:g} to {most:g}. Correct or remove it.")
    return value


def _read_level(environ: Mapping[str, str]) -> str:
    level = (environ.get("MAYFLY_LOG_LEVEL") or "info").upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise SettingsError(f"MAYFLY_LOG_LEVEL={level!r} must be debug, info, warning, error or critical.")
    return level


def _read_payload(environ: Mapping[str, str]) -> str:
    payload = environ.get("LAMBDA_PAYLOAD") or "2.0"
    if payload not in {"1.0", "2.0"}:
        raise SettingsError(f"LAMBDA_PAYLOAD={payload!r} must be 1.0 (REST API) or 2.0 (HTTP API).")
    return payload
