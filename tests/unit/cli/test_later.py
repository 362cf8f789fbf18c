"""How the answer to an asynchronous call is asked for."""

from __future__ import annotations

from mayfly.cli import exchange, later


def test_the_question_carries_what_names_the_caller_and_nothing_of_the_call():
    headers = (
        ("X-API-Key", "k"),
        ("Authorization", "Bearer t"),
        ("Content-Type", "text/plain"),
        ("Idempotency-Key", "i"),
        ("Prefer", "wait=3"),
        ("ce-type", "t"),
    )
    request = exchange.Request("POST", "/x", headers, b"body")
    asked = later.make_question(later.Accepted("ID", "/thumb/invocations/ID"), request)
    assert asked == exchange.Request("GET", "/thumb/invocations/ID/result", headers[:2], None)
