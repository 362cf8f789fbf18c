"""The form in which spec.http travels to the gateway."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.model import exposure


def test_a_function_without_policies_asks_for_nothing() -> None:
    """Only the timeout travels, and there is nothing to enforce; so it is for a cluster-local Function."""
    plain = exposure.Exposure(timeout_seconds=30)
    assert (plain.to_json(), plain.is_plain) == ('{"timeoutSeconds":30.0}', True)
    assert exposure.Exposure(http=exposure.Http(visibility="cluster-local")).is_plain


def test_what_is_written_is_read() -> None:
    """The annotation gives back what was put into it, and its version changes with it."""
    http = exposure.Http.model_validate(
        {
            "hosts": ["img.example.com"],
            "paths": [{"path": "/thumb", "methods": ["GET"], "rewrite": "/"}],
            "auth": {"apiKey": {"secret": "keys"}},
            "rateLimit": {"perKey": {"requests": 5}},
            "maxRequestSize": "1Mi",
        }
    )
    wanted = exposure.Exposure(http=http, timeout_seconds=2.5)
    text = wanted.to_json()
    assert exposure.parse_exposure(text) == wanted
    assert not wanted.is_plain
    assert exposure.version_of(text) != exposure.version_of(text.replace("2.5", "3"))
    assert (http.max_request_bytes, http.max_response_bytes) == (1024 * 1024, None)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"http": {"auth": {"jwt": {}}}}', '{"http": {"firewall": {}}}', '{"http": {"auth": {"mtls": {}}}}'],
)
def test_what_is_no_exposure_is_refused_by_name(text: str) -> None:
    """The error names the annotation and where the mistake belongs."""
    with pytest.raises(errors.SpecError, match=r"mayfly\.dev/http: .*spec\.http"):
        exposure.parse_exposure(text)
