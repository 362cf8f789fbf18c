"""Functions written for Fission."""

from __future__ import annotations


def test_flask_interprets_the_result(start):
    """A function whose code imports Flask is imported and runs inside one application, whatever its name."""
    runtime = start("fission", packages="framework", MAYFLY_SIGNATURE="fission", MAYFLY_HANDLER="main.created").ready()
    created = runtime.request("POST", "/any/path")
    assert (created.status_code, created.text) == (201, "created in corner")


def test_without_flask(start):
    """A function that does not look at the request needs no library."""
    runtime = start("fission_bare", MAYFLY_SIGNATURE="fission", MAYFLY_HANDLER="hello:main").ready()
    assert runtime.request("GET", "/").text == "Hello, world!\n"
