"""The environment of the container, read once."""

from __future__ import annotations

import pytest

from mayfly_runtime import settings, workers


def test_defaults():
    """An empty environment gives a working default for everything but the handler."""
    read = settings.read_settings({})
    assert read == settings.Settings(
        handler="",
        signature="http",
        timeout_seconds=30.0,
        concurrency=0,
        function="function",
        namespace="default",
        revision="",
        port=8080,
        code_dir="/app",
        dependencies_dir="/opt/mayfly/dependencies",
        max_body_bytes=33_554_432,
        termination_log="/dev/termination-log",
        log_level="INFO",
        lambda_payload="2.0",
    )


def test_knative_names_fill_in():
    """Without MAYFLY_FUNCTION the service's name is used."""
    assert settings.read_settings({"K_SERVICE": "hello"}).function == "hello"


WRONG = {
    "MAYFLY_TIMEOUT_SECONDS": ["0", "-1", "soon", "nan", "inf"],
    "MAYFLY_CONCURRENCY": ["-1", "1.5", "many"],
    "PORT": ["65536", "http"],
    "MAYFLY_MAX_BODY_BYTES": ["1k"],
    "MAYFLY_LOG_LEVEL": ["loud"],
    "LAMBDA_PAYLOAD": ["1", "v2"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_values_are_named(name, value):
    """The message holds the variable and its value."""
    with pytest.raises(settings.SettingsError, match=f"{name}={value!r}|{name}={value.upper()!r}"):
        settings.read_settings({name: value})


@pytest.mark.parametrize(("concurrency", "threads"), [(0, 64), (1, 1), (50, 50), (5000, 1000)])
def test_threads_follow_concurrency(concurrency, threads):
    """As many threads as calls at a time; unlimited is bounded, and so is the rest."""
    assert workers.size_for(concurrency) == threads
