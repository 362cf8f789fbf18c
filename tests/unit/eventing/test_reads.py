"""What of a function's answer goes on to who asks for it later."""

from __future__ import annotations

import pytest

from mayfly.eventing.management import reads


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "transfer-encoding",
        "Content-Length",
        "keep-alive",
        "x-left-out",
        "Mayfly-Attempt",
        "mayfly-invocation",
        "mayfly-truncated",
        "x-mayfly-token",
        "x-envoy-upstream-service-time",
        "X-Request-Id",
        "Knative-Serving-Revision",
    ],
)
def test_headers_of_the_connection_and_of_the_platform_stay_behind(name):
    connection = ("connection", "close, X-Left-Out")
    assert reads.choose_headers((connection, (name, "1"))) == ()


def test_the_functions_own_headers_go_on_as_they_came():
    headers = (("Content-Type", "text/csv"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-total", "7"))
    assert reads.choose_headers(headers) == headers
