"""Functions laid out for knative/func."""

from __future__ import annotations

import pytest

EVENT = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/s", "ce-type": "shape"}
DOCUMENT = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "shape"}


@pytest.fixture
def serve(start):
    def serve(case, handler, packages="none"):
        return start(case, packages=packages, MAYFLY_SIGNATURE="knative", MAYFLY_HANDLER=handler).ready()

    return serve


def test_hooks(serve):
    """`start` gets the environment; `alive` and `ready` answer the probes, ours and func's; `stop` runs at the end."""
    runtime = serve("knative", "function:new")
    assert runtime.request("GET", "/config").json() == {"case": "knative"}
    assert runtime.request("GET", "/health/liveness").text == "I am alive\n"
    assert runtime.request("GET", "/health/readiness").text == "OK\n"
    assert runtime.request("GET", "/healthz/ready").status_code == 200

    runtime.request("GET", "/sicken")
    sick = runtime.request("GET", "/health/liveness")
    assert (sick.status_code, sick.text) == (503, "I am not well\n")
    for probe in ("/healthz/live", "/healthz/ready", "/health/readiness"):
        assert runtime.request("GET", probe).status_code == 503, probe

    runtime.terminate()
    assert runtime.exit_code() == 0
    runtime.passed("stopped")


def test_class(serve):
    """Without `new` the class itself may be the handler."""
    assert serve("knative", "function.func:Function").request("GET", "/config").json() == {"case": "knative"}


def test_events(serve):
    """An event of either mode is in the scope; `send` of an event answers in structured mode."""
    runtime = serve("knative_event", "main:handle", "cloudevents")
    structured = {"headers": {"content-type": "application/cloudevents+json"}, "json": DOCUMENT}
    for sent in ({"headers": EVENT}, structured):
        answer = runtime.request("POST", "/", **sent)
        assert answer.headers["content-type"].startswith("application/cloudevents+json")
        document = answer.json()
        assert document.pop("time")
        assert document == {
            "specversion": "1.0",
            "id": "r-1",
            "type": "shaped",
            "source": "/test",
            "data": {"class": "cloudevents.core.v1.event"},
        }
    binary = runtime.request("POST", "/", headers=EVENT | {"ce-type": "greet", "ce-subject": "a"})
    assert (binary.headers["ce-type"], binary.json()) == ("done", {"greeting": "Grüße, a"})
    assert runtime.request("POST", "/", headers=EVENT | {"ce-id": ""}).json()["attribute"] == "id"


def test_main_gets_the_event(serve):
    """`main(context)` finds the event in the context, which is a mapping too."""
    runtime = serve("knative_main", "func:main")
    assert runtime.request("POST", "/", headers=EVENT).json() == {"type": "shape", "keys": ["cloud_event", "request"]}


def test_parliament(serve):
    """With the library of the first generation its context and its `event` decorator work."""
    runtime = serve("knative_parliament", "func:main", "parliament")
    hello = runtime.request("GET", "/", params={"name": "zoë"})
    assert (hello.status_code, hello.text) == (201, "hello zoë False")
    assert runtime.request("POST", "/", json=[1]).json() == [1]

    runtime = serve("knative_parliament", "func:count", "parliament")
    counted = runtime.request("POST", "/", headers=EVENT, json={"a": 1})
    assert (counted.headers["ce-type"], counted.headers["ce-source"]) == ("shop.counted", "/shop")
    assert counted.json() == {"of": "shape", "data": {"a": 1}}
